import { GatewayError } from '../../errors.js';
import type { Context } from '../../framework/context.js';
import { createTaskTracker } from '../../platform/concurrency/task-tracker.js';
import type { SocketListener } from '../../sockets/socket.js';
import { ensureParticipants } from './access.js';
import type { ConversationServices } from './service.js';
import type { Viewer } from './viewer.js';

/** Conversations in which one socket can count as typing. The end in further ones is left to its client. */
const PLACES_MAX = 10;

/** A conversation in which a socket counts as typing. */
interface Typist {
  readonly viewer: Viewer;
  /** The others were told of the beginning. */
  readonly told: Promise<void>;
}

/** What a client says of its typing. */
interface TypingChange {
  readonly conversation_id: string;
  readonly is_typing: boolean;
}

/** Typing events of team conversations. Nothing of them is stored. */
export interface Typing {
  /**
   * Sends a typing event to the other participants, except those with a block.
   * @param isConnected whether the socket is still there; otherwise nothing would end what it begins
   */
  set(viewer: Viewer, change: TypingChange, isConnected: boolean): Promise<void>;
  /** Ends the typing of a socket that is gone. */
  readonly listener: Pick<SocketListener, 'disconnected'>;
  /** Resolves when all that is to be ended was. */
  settle(): Promise<void>;
}

/** A client that is gone ends nothing itself, so its node does. */
export function createTyping(
  { models, work, logger }: Pick<Context, 'models' | 'work' | 'logger'>,
  { team, blocks }: Pick<ConversationServices, 'team' | 'blocks'>,
): Typing {
  /** By socket and conversation. */
  const sockets = new Map<string, Map<string, Typist>>();
  const ends = createTaskTracker((error) => {
    // Those who are no longer participants are not shown as typing.
    if (error instanceof GatewayError) return;
    logger.warn({ err: error }, 'conversations: sending the end of typing failed');
  });

  const readOthers = async (viewer: Viewer, id: string): Promise<string[]> => {
    const [participants, blocked] = await Promise.all([
      ensureParticipants(models, team.kind, { viewer, id }),
      blocks.of(viewer.id),
    ]);
    return participants.filter((user) => user !== viewer.id && !blocked.has(user));
  };

  const tell = (others: readonly string[], viewer: Viewer, { conversation_id, is_typing }: TypingChange): void =>
    team.publish(others, { event: 'typing', payload: { conversation_id, user: viewer.id, is_typing } });

  /** @param times how often the others are told: a beginning pays for the end that its client may not send */
  const change = async (viewer: Viewer, data: TypingChange, times: number): Promise<void> => {
    const others = await readOthers(viewer, data.conversation_id);
    await work.pay(viewer.principal, { receivers: times * (others.length + 1) });
    tell(others, viewer, data);
  };

  const remember = (id: string, typist: Typist): void => {
    const { socketId } = typist.viewer;
    const places = sockets.get(socketId) ?? new Map<string, Typist>();
    sockets.set(socketId, places);
    if (places.size < PLACES_MAX) places.set(id, typist);
  };

  const forget = ({ socketId }: Viewer, id: string): void => {
    const places = sockets.get(socketId);
    places?.delete(id);
    if (places?.size === 0) sockets.delete(socketId);
  };

  const end = async ({ viewer }: Typist, conversation_id: string): Promise<void> =>
    tell(await readOthers(viewer, conversation_id), viewer, { conversation_id, is_typing: false });

  return {
    async set(viewer, data, isConnected) {
      const { conversation_id: id, is_typing } = data;
      if (is_typing && !isConnected) return;
      const typistNow = () => sockets.get(viewer.socketId)?.get(id);
      const isBeginning = is_typing && typistNow() === undefined;
      const typist = { viewer, told: change(viewer, data, isBeginning ? 2 : 1) };
      if (isBeginning) remember(id, typist);
      if (!is_typing) forget(viewer, id);
      try {
        await typist.told;
      } catch (error) {
        if (typistNow() === typist) forget(viewer, id);
        throw error;
      }
    },
    listener: {
      disconnected({ id: socketId }) {
        for (const [id, typist] of sockets.get(socketId) ?? []) {
          ends.run(
            typist.told.then(
              () => end(typist, id),
              () => undefined,
            ),
          );
        }
        sockets.delete(socketId);
      },
    },
    settle: ends.ended,
  };
}

import type { Principal } from '../../../auth/principal.js';
import type { Context } from '../../../framework/context.js';
import { createShownTyping, createTyping } from '../shared/index.js';
import { type Access, type ConversationAccess, ensureHeard } from './access.js';
import { NONE_EXCLUDED } from './audience.js';
import { type Identity, ownRoomOf, toIdentity } from './people.js';
import type { Publisher } from './publisher.js';

interface Dependencies extends Pick<Context, 'clock' | 'emitter' | 'logger' | 'onHeard' | 'work'> {
  access: ConversationAccess;
  publisher: Publisher;
}

/** The socket and participant of an event. */
interface Actor {
  readonly socketId: string;
  readonly principal: Principal;
}

/**
 * Sends typing events. The receivers are read again for the end event, so that it does not reach removed users.
 */
export function createConversationTyping({ access, publisher, ...context }: Dependencies) {
  const { work, clock, logger } = context;
  const typing = createTyping(clock);
  const shown = createShownTyping({
    ...context,
    events: { started: 'user_typing', stopped: 'user_stopped_typing' },
    placeField: 'conversationId',
    readRooms: async (id) => (await access.audienceOf(id, NONE_EXCLUDED)).rooms,
  });
  const ending = new Set<Promise<void>>();

  const publishEnd = async (conversationId: string, identity: Identity, opened: Access): Promise<void> => {
    try {
      const audience = await access.audienceOf(conversationId, opened);
      const payload = { userId: identity.id, conversationId };
      publisher.others(audience, identity, { event: 'user_stopped_typing', payload });
      shown.hide(payload);
    } catch (error) {
      logger.warn({ err: error }, 'support: sending the end of typing failed');
    }
  };

  const end = (conversationId: string, identity: Identity, opened: Access): void => {
    const published = publishEnd(conversationId, identity, opened).finally(() => ending.delete(published));
    ending.add(published);
  };

  return {
    listener: typing.listener,

    /** @throws ChatError `NOT_FOUND` for a conversation without access */
    async start({ socketId, principal }: Actor, conversationId: string): Promise<void> {
      const identity = toIdentity(principal);
      const typist = typing.start(socketId, conversationId);
      try {
        const opened = await access.open(principal, conversationId);
        ensureHeard(opened);
        const { caller, audience } = opened;
        await work.pay(principal, { receivers: 2 * audience.rooms.length });
        if (!typist.begin(() => end(conversationId, identity, opened))) return;
        const payload = { userId: caller.id, userName: caller.name, conversationId };
        publisher.others(audience, identity, { event: 'user_typing', payload });
        shown.show(payload, { rooms: audience.rooms, except: [...audience.except, ownRoomOf(identity)] });
      } catch (error) {
        typing.stop(socketId, conversationId);
        throw error;
      }
    },

    /** Ends typing in one conversation. */
    stop: ({ socketId }: Pick<Actor, 'socketId'>, conversationId: string): void =>
      typing.stop(socketId, conversationId),

    /** Resolves when all pending end events were sent. */
    settle: async (): Promise<void> => void (await Promise.all(ending)),
  };
}

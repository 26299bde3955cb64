import type { Principal } from '../../auth/principal.js';
import type { Clock } from '../../platform/clock.js';
import type { Logger } from '../../platform/logger.js';
import { type ConversationAccess, toId } from './access.js';
import type { Announce } from './announce.js';
import { type Identity, toIdentity } from './people.js';

/** How long somebody types who does not say so again. */
export const TYPING_MS = 5000;
/** Conversations in which one socket may type at once; nobody has more hands. */
const CONVERSATIONS_MAX = 10;

/** Who is typing on the sockets of this node. */
export type Typing = ReturnType<typeof createTyping>;

/** One socket that types in one conversation. */
interface Entry {
  readonly identity: Identity;
  /** The others were told. */
  isTold: boolean;
  cancel: () => void;
}

interface Dependencies {
  access: ConversationAccess;
  announce: Announce;
  clock: Clock;
  logger: Logger;
}

/** A socket that acts, and whose it is. */
interface Actor {
  readonly socketId: string;
  readonly principal: Principal;
}

/**
 * Tells who types. It is kept with the socket and gone with it; who hears the end is asked again at the end, so nobody who
 * has been taken out meanwhile does.
 */
export function createTyping({ access, announce, clock, logger }: Dependencies) {
  const bySocket = new Map<string, Map<string, Entry>>();
  const ending = new Set<Promise<void>>();

  const tellEnd = async (conversationId: string, { identity }: Entry): Promise<void> => {
    try {
      const audience = await access.audienceOf(conversationId);
      const payload = { userId: identity.id, conversationId };
      announce.others(audience, identity, { event: 'user_stopped_typing', payload });
    } catch (error) {
      logger.warn({ err: error }, 'support: nobody was told that somebody stopped typing');
    }
  };

  const end = (socketId: string, conversationId: string): Promise<void> | undefined => {
    const entries = bySocket.get(socketId);
    const entry = entries?.get(conversationId);
    if (entries === undefined || entry === undefined) return undefined;
    entry.cancel();
    entries.delete(conversationId);
    if (entries.size === 0) bySocket.delete(socketId);
    if (!entry.isTold) return undefined;
    const told = tellEnd(conversationId, entry).finally(() => ending.delete(told));
    ending.add(told);
    return told;
  };

  /** Before anything is waited for, so that what the socket sends next finds it. */
  const begin = ({ socketId, principal }: Actor, conversationId: string): Entry => {
    const entries = bySocket.get(socketId) ?? new Map<string, Entry>();
    bySocket.set(socketId, entries);
    const known = entries.get(conversationId);
    known?.cancel();
    const entry = known ?? { identity: toIdentity(principal), isTold: false, cancel: () => undefined };
    entry.cancel = clock.after(TYPING_MS, () => void end(socketId, conversationId));
    entries.set(conversationId, entry);
    const [oldest] = entries.keys();
    if (entries.size > CONVERSATIONS_MAX && oldest !== undefined) void end(socketId, oldest);
    return entry;
  };

  const isCurrent = ({ socketId }: Actor, conversationId: string, entry: Entry): boolean =>
    bySocket.get(socketId)?.get(conversationId) === entry;

  return {
    /** @throws ChatError `NOT_FOUND` for a conversation that is not for the caller */
    async start(actor: Actor, id: string): Promise<void> {
      const conversationId = toId(id);
      const entry = begin(actor, conversationId);
      try {
        const { caller, audience } = await access.open(actor.principal, conversationId);
        if (!isCurrent(actor, conversationId, entry)) return;
        entry.isTold = true;
        const payload = { userId: caller.id, userName: caller.name, conversationId };
        announce.others(audience, entry.identity, { event: 'user_typing', payload });
      } catch (error) {
        if (isCurrent(actor, conversationId, entry)) void end(actor.socketId, conversationId);
        throw error;
      }
    },

    /** Ends it in one conversation, if it had begun. */
    stop: async ({ socketId }: Pick<Actor, 'socketId'>, id: string): Promise<void> => end(socketId, toId(id)),

    /** The socket is gone. */
    leave(socketId: string): void {
      for (const conversationId of [...(bySocket.get(socketId)?.keys() ?? [])]) void end(socketId, conversationId);
    },

    /** Resolves when everybody has been told of what has ended. */
    settle: async (): Promise<void> => void (await Promise.all(ending)),
  };
}

import { createBatcher } from '../../../platform/batcher.js';
import type { PresenceStore } from '../../../realtime/presence/index.js';

/** Callers that one question serves. */
const GROUP_MAX = 1000;

/**
 * Whether a user is connected to one of the chats, on any node. Without one, no client shows who is online, and the database
 * need not be asked with whom a user shares something. Callers of one turn share a question. Never rejects.
 */
export const createWatchers = (chatPresence: PresenceStore): (() => Promise<boolean>) => {
  const ask = createBatcher<undefined, boolean>(async (callers) => {
    const exist = await chatPresence.hasSockets().catch(() => true);
    return callers.map(() => exist);
  }, GROUP_MAX);
  return function watchersOf() {
    return ask(undefined);
  };
};

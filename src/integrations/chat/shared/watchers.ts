import { createBatcher } from '../../../platform/batcher.js';
import type { PresenceStore } from '../../../realtime/presence/index.js';
import type { Snapshots } from './snapshots.js';

/** Callers that one question serves. */
const GROUP_MAX = 1000;

/**
 * Whether a user is connected to one of the chats, on any node. Without one, no client shows who is online, and the database
 * need not be asked with whom a user shares something. Callers of one turn share a question, and go on when the snapshots of that
 * turn are counted: so all that is read for those who connect together is read together. Never rejects.
 */
export const createWatchers = (
  chatPresence: Pick<PresenceStore, 'hasSockets'>,
  { counted }: Pick<Snapshots, 'counted'>,
): (() => Promise<boolean>) => {
  const ask = createBatcher<undefined, boolean>(async (callers) => {
    const [exist] = await Promise.all([chatPresence.hasSockets().catch(() => true), counted()]);
    return callers.map(() => exist);
  }, GROUP_MAX);
  return function watchersOf() {
    return ask(undefined);
  };
};

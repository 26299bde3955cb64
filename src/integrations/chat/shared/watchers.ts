import { createBatcher } from '../../../platform/concurrency/batcher.js';
import type { PresenceStore } from '../../../realtime/presence/index.js';
import type { Snapshots } from './snapshots.js';

/** Calls that one query serves. */
const GROUP_MAX = 1000;

/**
 * Whether a user is connected to one of the chats, on any node. Without one, no client shows who is online, and no contacts have
 * to be read. Calls in one event loop iteration share a query, and continue when the snapshots of that iteration are counted: so
 * everything that is read for users who connect together is read together. Never rejects.
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

import type { ServerState } from '../commands/state/server-state.js';
import { deleteExpired } from '../engine/expiry.js';

const HOUSEKEEPING_INTERVAL_MS = 1000;
/** The interval at which TTL indexes are processed, as in mongod. */
export const EXPIRY_INTERVAL_MS = 60_000;

/** Options of {@link startHousekeeping}. */
export interface HousekeepingOptions {
  onProblem(message: string): void;
  /** Called periodically. */
  checkStorage(): void;
}

/**
 * Starts the periodic work of a server: it closes idle cursors and sessions, aborts old transactions, restores a failed
 * log, and deletes expired documents.
 * @returns a function that stops it
 */
export function startHousekeeping({ engine, cursors }: ServerState, options: HousekeepingOptions): () => void {
  const housekeeping = setInterval(() => {
    const now = performance.now();
    cursors.expire(now);
    engine.sessions.expire(now);
    engine.recoverLog();
    options.checkStorage();
  }, HOUSEKEEPING_INTERVAL_MS);

  let isExpiring = false;
  const expiry = setInterval(() => {
    if (isExpiring) return;
    isExpiring = true;
    deleteExpired(engine, Date.now())
      .catch((error: Error) => options.onProblem(`expired documents were not deleted: ${error.message}`))
      .finally(() => {
        isExpiring = false;
      });
  }, EXPIRY_INTERVAL_MS);

  return function stopHousekeeping() {
    clearInterval(housekeeping);
    clearInterval(expiry);
  };
}

import { setTimeout } from 'node:timers/promises';
import type { ClientSession, Connection } from 'mongoose';
import { isTransactionConflict } from './mongo-errors.js';
import { fixedOptions } from './mongo-options.js';

/** How often work is run that fails for a reason which the driver does not retry. */
const ATTEMPTS = 20;
/** Pause before the second attempt; it grows, and its length is random, so that writers do not meet again. */
const FIRST_PAUSE_MS = 5;
const PAUSE_MAX_MS = 500;
/** How long the commit may take. */
const COMMIT_TIMEOUT_MS = 20_000;

/** All reads of a transaction see one state. Reads that follow on a local state would count what another commit changes. */
const transactionOptions = {
  readPreference: fixedOptions.readPreference,
  readConcern: { level: 'snapshot' },
  writeConcern: fixedOptions.writeConcern,
  maxCommitTimeMS: COMMIT_TIMEOUT_MS,
} as const;

/**
 * Runs work in a transaction: all of it is stored by a majority or nothing, and it sees one state of the database. Runs it
 * again from the beginning when another writer was first, or when the primary stepped down. Work must do nothing outside of
 * the database.
 * @param isTransient errors besides the database's own after which another attempt can succeed
 */
export async function runTransaction<T>(
  connection: Connection,
  work: (session: ClientSession) => Promise<T>,
  isTransient: (error: unknown) => boolean = () => false,
): Promise<T> {
  const session = await connection.startSession();
  try {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await session.withTransaction(() => work(session), transactionOptions);
      } catch (error) {
        if (attempt === ATTEMPTS || !(isTransactionConflict(error) || isTransient(error))) throw error;
      }
      await setTimeout(Math.random() * Math.min(PAUSE_MAX_MS, FIRST_PAUSE_MS * 1.5 ** attempt));
    }
  } finally {
    await session.endSession();
  }
}

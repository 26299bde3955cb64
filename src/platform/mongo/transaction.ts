import { setTimeout } from 'node:timers/promises';
import { type ClientSession, type Connection, mongo as driver } from 'mongoose';
import { isTransactionConflict } from './errors.js';
import { fixedOptions } from './options.js';

/** After this time nothing is tried again: its caller is about to be answered. The driver's own loop goes on for two minutes. */
const RETRY_FOR_MS = 15_000;
/** How often work is run that fails for a reason which only its caller knows to be transient. */
const ATTEMPTS = 5;
/** Pause before the second attempt; it grows, and its length is random, so that writers do not meet again. */
const FIRST_PAUSE_MS = 5;
const PAUSE_MAX_MS = 500;
/** How long the commit may take. */
const COMMIT_TIMEOUT_MS = 15_000;
const MAX_TIME_EXPIRED = 50;

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
 * @throws the last error. When the commit failed because the database was away, the work may have been stored.
 */
export async function runTransaction<T>(
  connection: Connection,
  work: (session: ClientSession) => Promise<T>,
  isTransient: (error: unknown) => boolean = () => false,
): Promise<T> {
  const session = await connection.startSession();
  const giveUpAt = performance.now() + RETRY_FOR_MS;
  try {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await attemptOnce(session, work, giveUpAt);
      } catch (error) {
        const mayPass = isTransactionConflict(error) || (attempt < ATTEMPTS && isTransient(error));
        if (!mayPass || performance.now() > giveUpAt) throw error;
      }
      await setTimeout(Math.random() * Math.min(PAUSE_MAX_MS, FIRST_PAUSE_MS * 1.5 ** attempt));
    }
  } finally {
    await session.endSession();
  }
}

async function attemptOnce<T>(
  session: ClientSession,
  work: (session: ClientSession) => Promise<T>,
  giveUpAt: number,
): Promise<T> {
  session.startTransaction(transactionOptions);
  let result: T;
  try {
    result = await work(session);
  } catch (error) {
    // The server gives it up by itself if it cannot be told.
    await session.abortTransaction().catch(() => undefined);
    throw error;
  }
  await commit(session, giveUpAt);
  return result;
}

/** A commit whose outcome is not known is sent again: it is done once however often it is sent. */
async function commit(session: ClientSession, giveUpAt: number): Promise<void> {
  for (;;) {
    try {
      return await session.commitTransaction();
    } catch (error) {
      if (!isOutcomeUnknown(error) || performance.now() > giveUpAt) throw error;
    }
    await setTimeout(FIRST_PAUSE_MS);
  }
}

/** Not when the time of the commit was up: waiting once more would double it. */
const isOutcomeUnknown = (error: unknown): boolean =>
  error instanceof driver.MongoError &&
  error.hasErrorLabel('UnknownTransactionCommitResult') &&
  error.code !== MAX_TIME_EXPIRED;

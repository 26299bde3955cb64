import { setTimeout } from 'node:timers/promises';
import { type ClientSession, type Connection, mongo as driver } from 'mongoose';
import { isTransactionConflict } from './errors.js';
import { fixedOptions } from './options.js';

/** Time limit for retries; then the caller's own time limit is near. The driver's own limit is two minutes. */
const RETRY_FOR_MS = 15_000;
/** Attempts for errors that `isTransient` accepts. */
const ATTEMPTS = 5;
/** Delay before the second attempt. It grows and has jitter, so that concurrent writers do not conflict again. */
const FIRST_PAUSE_MS = 5;
const PAUSE_MAX_MS = 500;
/** Time limit of the commit. */
const COMMIT_TIMEOUT_MS = 15_000;
const MAX_TIME_EXPIRED = 50;

/** All reads of a transaction see one snapshot. With local reads, later reads could include another commit. */
const transactionOptions = {
  readPreference: fixedOptions.readPreference,
  readConcern: { level: 'snapshot' },
  writeConcern: fixedOptions.writeConcern,
  maxCommitTimeMS: COMMIT_TIMEOUT_MS,
} as const;

/** Thrown by work that relied on remembered state which is out of date: the transaction is rolled back and run again. */
export class StaleError extends Error {}

/**
 * Runs work in a transaction: it is committed by a majority or not at all, and it reads one snapshot. Retries the work
 * after a write conflict or a fail-over, so it must have no side effects outside of the database.
 * @param isTransient further errors after which a retry can succeed
 * @throws the last error. If the database was away during the commit, the work may have been stored.
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
        const isStale = error instanceof StaleError;
        const mayPass = isStale || isTransactionConflict(error) || (attempt < ATTEMPTS && isTransient(error));
        if (!mayPass || performance.now() > giveUpAt) throw error;
        if (isStale) continue;
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
    // If the abort fails, the server aborts the transaction by itself.
    await session.abortTransaction().catch(() => undefined);
    throw error;
  }
  await commit(session, giveUpAt);
  return result;
}

/** Retries a commit with an unknown outcome; commits are idempotent. */
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

/** Not after the time limit of the commit: another wait would double it. */
const isOutcomeUnknown = (error: unknown): boolean =>
  error instanceof driver.MongoError &&
  error.hasErrorLabel('UnknownTransactionCommitResult') &&
  error.code !== MAX_TIME_EXPIRED;

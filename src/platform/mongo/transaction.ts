import { setTimeout } from 'node:timers/promises';
import { type ClientSession, type Connection, mongo as driver } from 'mongoose';
import { errorCodes, isDatabaseAway, isTransactionConflict } from './errors.js';
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
/** How often, and for how long, the outcome of a commit is asked for afterwards. The server knows it for half an hour. */
const SETTLING_PAUSE_MS = 1000;
const SETTLING_MAX_MS = 1_200_000;

/** All reads of a transaction see one snapshot. With local reads, later reads could include another commit. */
const transactionOptions = {
  readPreference: fixedOptions.readPreference,
  readConcern: { level: 'snapshot' },
  writeConcern: fixedOptions.writeConcern,
  maxCommitTimeMS: COMMIT_TIMEOUT_MS,
} as const;

/** Thrown by work that relied on remembered state which is out of date: the transaction is rolled back and run again. */
export class StaleError extends Error {}

/** How a transaction ends otherwise than by its first commit. */
export interface TransactionEnds<T> {
  /** Further errors after which a retry can succeed. */
  isTransient?(error: unknown): boolean;
  /** The work turned out to be stored after an error that left this open. */
  onLate?(result: T): void;
}

/**
 * Runs work in a transaction: it is committed by a majority or not at all, and it reads one snapshot. Retries the work
 * after a write conflict or a fail-over, so it must have no side effects outside of the database.
 * @throws the last error. If the database was away during the commit, the work may have been stored; `onLate` tells it then.
 */
export async function runTransaction<T>(
  connection: Connection,
  work: (session: ClientSession) => Promise<T>,
  { isTransient = () => false, onLate = () => undefined }: TransactionEnds<T> = {},
): Promise<T> {
  const session = await connection.startSession();
  const giveUpAt = performance.now() + RETRY_FOR_MS;
  let isOpen = true;
  const settleLater = (result: T): void => {
    isOpen = false;
    void settle(session, () => onLate(result));
  };
  try {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await attemptOnce(session, work, { giveUpAt, settleLater });
      } catch (error) {
        const isStale = error instanceof StaleError;
        const mayPass = isStale || isTransactionConflict(error) || (attempt < ATTEMPTS && isTransient(error));
        if (!isOpen || !mayPass || performance.now() > giveUpAt) throw error;
        if (isStale) continue;
      }
      await setTimeout(Math.random() * Math.min(PAUSE_MAX_MS, FIRST_PAUSE_MS * 1.5 ** attempt));
    }
  } finally {
    if (isOpen) await session.endSession();
  }
}

interface Attempt<T> {
  readonly giveUpAt: number;
  /** The commit has failed, and the work may be stored. */
  readonly settleLater: (result: T) => void;
}

async function attemptOnce<T>(
  session: ClientSession,
  work: (session: ClientSession) => Promise<T>,
  { giveUpAt, settleLater }: Attempt<T>,
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
  try {
    await commit(session, giveUpAt);
  } catch (error) {
    if (mayBeStored(error)) settleLater(result);
    throw error;
  }
  return result;
}

/** Retries a commit with an unknown outcome; commits are idempotent. */
async function commit(session: ClientSession, giveUpAt: number): Promise<void> {
  for (;;) {
    try {
      return await session.commitTransaction();
    } catch (error) {
      if (!isWorthAnother(error) || performance.now() > giveUpAt) throw error;
    }
    await setTimeout(FIRST_PAUSE_MS);
  }
}

/** Repeats a commit until the server tells its outcome, then ends the session. Never rejects. */
async function settle(session: ClientSession, onStored: () => void): Promise<void> {
  const endAt = performance.now() + SETTLING_MAX_MS;
  // It has ended when the gateway has.
  while (!session.hasEnded && performance.now() < endAt) {
    await setTimeout(SETTLING_PAUSE_MS, undefined, { ref: false });
    try {
      await session.commitTransaction();
      onStored();
      break;
    } catch (error) {
      if (!mayBeStored(error)) break;
    }
  }
  await session.endSession();
}

const hasUnknownOutcome = (error: unknown): error is driver.MongoError =>
  error instanceof driver.MongoError && error.hasErrorLabel('UnknownTransactionCommitResult');

/** Not after the time limit of the commit: another wait would double it. */
const isWorthAnother = (error: unknown): boolean =>
  hasUnknownOutcome(error) && error.code !== errorCodes.MAX_TIME_EXPIRED;

/** Whether a commit that failed may have been done. */
const mayBeStored = (error: unknown): boolean =>
  hasUnknownOutcome(error) || (isDatabaseAway(error) && !isTransactionConflict(error));

import { mongo as driver, MongooseError } from 'mongoose';
import { StartError } from '../start-error.js';

/** Error codes that decide what is done next. */
export const errorCodes = {
  /** Also the answer to a hint at an index that does not exist. */
  BAD_VALUE: 2,
  /** The user does not have the right. */
  UNAUTHORIZED: 13,
  /** There is no such collection. */
  NAMESPACE_NOT_FOUND: 26,
  /** An operation took longer than its `maxTimeMS`. */
  MAX_TIME_EXPIRED: 50,
  /** No index that may be used can answer the query. */
  NO_QUERY_PLAN: 291,
} as const;

/** Whether the server has answered with this error. */
export const isServerError = (error: unknown, name: keyof typeof errorCodes): boolean =>
  error instanceof driver.MongoServerError && error.code === errorCodes[name];

/**
 * Error codes of a reachable server that cannot serve: not primary, shutting down, stepping down, out of disk, a failing disk,
 * no majority, or overloaded; and those of an operation or a cursor that was ended from outside, as by `killOp`.
 */
const SERVER_AWAY_CODES: ReadonlySet<unknown> = new Set([
  6, 7, 39, 43, 50, 64, 89, 91, 100, 133, 134, 189, 202, 237, 262, 9001, 10_058, 10_107, 11_600, 11_601, 11_602, 13_435,
  13_436, 14_031,
]);

/** Whether the database could not be reached or could not serve. A retry may succeed. */
export function isDatabaseAway(error: unknown): boolean {
  if (error instanceof driver.MongoWriteConcernError) return true;
  if (error instanceof driver.MongoBulkWriteError) {
    // A bulk write wraps the error that ended it.
    if (error.errorResponse instanceof Error) return isDatabaseAway(error.errorResponse);
    if (hasWriteConcernError(error)) return true;
  }
  if (error instanceof driver.MongoServerError) return SERVER_AWAY_CODES.has(error.code);
  return (
    error instanceof driver.MongoNetworkError ||
    error instanceof driver.MongoServerSelectionError ||
    error instanceof driver.MongoNotConnectedError ||
    error instanceof driver.MongoTopologyClosedError ||
    error instanceof driver.MongoClientClosedError ||
    // All connections of the pool are in use. The driver does not export the class.
    (error instanceof driver.MongoDriverError && error.name === 'MongoWaitQueueTimeoutError') ||
    // Mongoose's error for the same, when commands are not buffered.
    (error instanceof MongooseError && /ServerSelection|initial connection/.test(`${error.name} ${error.message}`))
  );
}

/** Whether a bulk write lacks a majority: none of its operations may be acknowledged. */
const hasWriteConcernError = (error: unknown): boolean =>
  error instanceof driver.MongoBulkWriteError && error.result?.getWriteConcernError() !== undefined;

/** Error codes of a transaction that conflicted or was aborted by the server: nothing was stored. */
const CONFLICT_CODES: ReadonlySet<unknown> = new Set([24, 112, 239, 246, 251, 267]);

/**
 * Whether a transaction was aborted by a conflict or a fail-over and may be retried. MongoDB labels such errors, the driver
 * those of a connection that was lost; other engines report only the codes.
 */
export const isTransactionConflict = (error: unknown): boolean =>
  error instanceof driver.MongoError &&
  (error.hasErrorLabel('TransientTransactionError') ||
    (error instanceof driver.MongoServerError && CONFLICT_CODES.has(error.code)));

/** How an error of the database ends a start. Other errors stay as they are. */
export function toStartFailure(error: unknown): unknown {
  if (!(error instanceof driver.MongoError)) return error;
  const sentence = isServerError(error, 'UNAUTHORIZED')
    ? `${withoutCommand(error.message)}. The user needs the role readWrite on the database of MONGODB_URL`
    : error.message;
  return new StartError('MONGODB', `MongoDB cannot be used: ${sentence}`, { cause: error });
}

/** MongoDB quotes the whole command that it refuses: its name is enough. */
const withoutCommand = (message: string): string => message.replace(/\{ *(\w+):.*$/s, '$1');

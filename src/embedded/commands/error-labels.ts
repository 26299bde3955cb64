import { toNumber } from '../bson/numbers.js';
import { type Document, isDocument, isNumeric } from '../bson/values.js';
import { ERROR_CODES } from '../errors.js';

const codes = (...names: (keyof typeof ERROR_CODES)[]): ReadonlySet<number> =>
  new Set(names.map((name) => ERROR_CODES[name]));

/** Errors that concern the state of the server, not the write, so that the write can be retried. */
const RETRYABLE = codes(
  'HostUnreachable',
  'HostNotFound',
  'NetworkTimeout',
  'ShutdownInProgress',
  'ReadConcernMajorityNotAvailableYet',
  'PrimarySteppedDown',
  'ExceededTimeLimit',
  'SocketException',
  'NotWritablePrimary',
  'InterruptedAtShutdown',
  'InterruptedDueToReplStateChange',
  'NotPrimaryNoSecondaryOk',
  'NotPrimaryOrSecondary',
);

/** Errors after which a transaction can be retried, whichever of its commands fails. */
const TRANSIENT = codes(
  'WriteConflict',
  'LockTimeout',
  'SnapshotTooOld',
  'SnapshotUnavailable',
  'PreparedTransactionInProgress',
);

/**
 * The error labels of a failed reply, by the rules of mongod.
 * Source: https://github.com/mongodb/specifications/blob/master/source/transactions/transactions.md#error-labels
 */
export function labelsOf(command: Document, reply: Document): readonly string[] {
  const [name = ''] = Object.keys(command);
  const isEnding = name === 'commitTransaction' || name === 'abortTransaction';
  const isInTransaction = command['autocommit'] === false;
  const code = isNumeric(reply['code']) ? toNumber(reply['code']) : undefined;
  const concern = isDocument(reply['writeConcernError']) ? reply['writeConcernError']['code'] : undefined;
  const concernCode = isNumeric(concern) ? toNumber(concern) : undefined;
  const labels: string[] = [];
  if (isInTransaction && code !== undefined && isTransient(code, isEnding)) labels.push('TransientTransactionError');
  const isRetryable = command['txnNumber'] !== undefined && (isEnding || !isInTransaction);
  if (isRetryable && [code, concernCode].some((given) => given !== undefined && RETRYABLE.has(given))) {
    labels.push('RetryableWriteError');
  }
  return labels;
}

const isTransient = (code: number, isEnding: boolean): boolean =>
  TRANSIENT.has(code) || code === ERROR_CODES.NoSuchTransaction || (!isEnding && RETRYABLE.has(code));

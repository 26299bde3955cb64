import { Timestamp } from 'bson';
import { toNumber } from '../../bson/numbers.js';
import { type Document, fieldOf, isDocument, isNumeric } from '../../bson/values.js';
import { ensureKnownFields, fail } from '../../errors.js';

/** The write concern of a command. */
export interface WriteConcern {
  readonly isJournaled: boolean;
  /** The `writeConcernError` for the reply when the write is done, but on fewer nodes than requested. */
  readonly error: Document | undefined;
}

/** The most members of a replica set. */
const MAX_MEMBERS = 50;

/** Parses `writeConcern`. @throws DatabaseError UnknownReplWriteConcern for a named mode, FailedToParse when it is invalid */
export function toWriteConcern(command: Document): WriteConcern {
  const concern = fieldOf(command, 'writeConcern');
  if (!isDocument(concern)) return { isJournaled: false, error: undefined };
  const { w, j, fsync } = concern;
  if (isNumeric(w) && !(toNumber(w) >= 0 && toNumber(w) <= MAX_MEMBERS)) {
    fail(
      'FailedToParse',
      `w has to be a non-negative number and not greater than ${MAX_MEMBERS}; found: ${toNumber(w)}`,
    );
  }
  if (j === true && fsync === true) fail('FailedToParse', 'fsync and j options cannot be used together');
  if (typeof w === 'string' && w !== 'majority') {
    fail('UnknownReplWriteConcern', `No write concern mode named '${w}' found in replica set configuration`);
  }
  const isUnsatisfiable = isNumeric(w) && toNumber(w) > 1;
  const error = { code: 100, codeName: 'UnsatisfiableWriteConcern', errmsg: 'Not enough data-bearing nodes' };
  return { isJournaled: j === true, error: isUnsatisfiable ? error : undefined };
}

/** Commands that allow every read concern. The others allow only `local`. */
const READING: ReadonlySet<string> = new Set(['aggregate', 'count', 'distinct', 'explain', 'find']);
const NOT_WRITING: ReadonlySet<string> = new Set([
  'count',
  'distinct',
  'find',
  'getMore',
  'listCollections',
  'listIndexes',
]);
const READ_CONCERN_FIELDS: ReadonlySet<string> = new Set([
  'level',
  'afterClusterTime',
  'atClusterTime',
  'afterOpTime',
  'provenance',
  'waitLastStableRecoveryTimestamp',
]);

/**
 * Checks that a command allows the read and write concern it has.
 * @throws DatabaseError InvalidOptions
 */
export function ensureConcerns(name: string, command: Document): void {
  const read = fieldOf(command, 'readConcern');
  const isInTransaction = fieldOf(command, 'autocommit') === false;
  if (isDocument(read)) {
    ensureKnownFields(read, READ_CONCERN_FIELDS, 'readConcern');
    const { level } = read;
    // The read concern of the first command applies to the whole transaction.
    if (!isInTransaction && !READING.has(name) && level !== undefined && level !== 'local') {
      fail(
        'InvalidOptions',
        `Command ${name} does not support this read concern :: caused by :: read concern not supported`,
      );
    }
  }
  if (fieldOf(command, 'writeConcern') === undefined) return;
  if (NOT_WRITING.has(name)) fail('InvalidOptions', 'Command does not support writeConcern');
  if (isInTransaction && name !== 'commitTransaction' && name !== 'abortTransaction') {
    fail('InvalidOptions', 'writeConcern is not allowed within a multi-statement transaction');
  }
}

/** Levels that `afterClusterTime` can be combined with. */
const CAUSAL_LEVELS: ReadonlySet<unknown> = new Set([undefined, 'local', 'majority', 'snapshot']);

/** These levels are equivalent here: reads see only committed data, and there is one node. */
const LEVELS: ReadonlySet<unknown> = new Set([undefined, 'local', 'available', 'majority', 'linearizable']);

/**
 * Checks the level and the time of a read concern. Snapshots are available in transactions only.
 * @param now - the current cluster time
 * @throws DatabaseError CommandNotSupported for a snapshot outside a transaction, BadValue for an unknown level,
 *   InvalidOptions for a cluster time in the future or with another level
 */
export function ensureReadConcern(command: Document, isInTransaction: boolean, now: Timestamp): void {
  const concern = fieldOf(command, 'readConcern');
  if (!isDocument(concern)) return;
  const { level } = concern;
  if (level === 'snapshot' ? !isInTransaction : concern['atClusterTime'] !== undefined) {
    fail('CommandNotSupported', 'a snapshot outside a transaction is not supported by this database');
  }
  if (level !== 'snapshot' && !LEVELS.has(level)) {
    fail('BadValue', `Enumeration value '${String(level)}' for field 'readConcern.level' is not a valid value.`);
  }
  const { afterClusterTime } = concern;
  if (afterClusterTime === undefined) return;
  if (!CAUSAL_LEVELS.has(level)) {
    fail('InvalidOptions', 'afterClusterTime field can be set only if level is equal to majority, local, or snapshot');
  }
  if (!(afterClusterTime instanceof Timestamp)) {
    fail('TypeMismatch', "BSON field 'readConcern.afterClusterTime' is the wrong type, expected type 'timestamp'");
  } else if (afterClusterTime.greaterThan(now)) {
    fail('InvalidOptions', 'readConcern afterClusterTime value must not be greater than the current clusterTime');
  }
}

import { toNumber } from '../../bson/numbers.js';
import { type Document, fieldOf, isDocument, isNumeric } from '../../bson/values.js';
import { fail } from '../../errors.js';

/** What a command asks of its write, and how far that can be met. */
export interface WriteConcern {
  readonly isJournaled: boolean;
  /** What to add to the reply: the write is done, but not as widely as was asked. */
  readonly error: Document | undefined;
}

/** Of a replica set. */
const MAX_MEMBERS = 50;

/** @throws DatabaseError UnknownReplWriteConcern for a mode with a name, FailedToParse for what no set could meet */
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

/** Commands that read, and take any read concern; the others take `local` at most. */
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
 * Checks that a command takes the concerns that it was sent with.
 * @throws DatabaseError InvalidOptions
 */
export function ensureConcerns(name: string, command: Document): void {
  const read = fieldOf(command, 'readConcern');
  const isInTransaction = fieldOf(command, 'autocommit') === false;
  if (isDocument(read)) {
    for (const field of Object.keys(read)) {
      if (!READ_CONCERN_FIELDS.has(field)) {
        fail('Location40415', `BSON field 'readConcern.${field}' is an unknown field.`);
      }
    }
    const { level } = read;
    // The first command of a transaction says what all of it reads.
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

/** All of them mean the same here: what a read sees is committed, and there is no other node. */
const LEVELS: ReadonlySet<unknown> = new Set([undefined, 'local', 'available', 'majority', 'linearizable']);

/**
 * Checks what a command asks of its read. A state of the past is to be had in a transaction only: answering from the
 * present one instead would break the promise without a word.
 * @throws DatabaseError CommandNotSupported for a snapshot outside of a transaction, BadValue for an unknown level
 */
export function ensureReadConcern(command: Document, isInTransaction: boolean): void {
  const concern = fieldOf(command, 'readConcern');
  if (!isDocument(concern)) return;
  const { level } = concern;
  if (level === 'snapshot' ? !isInTransaction : concern['atClusterTime'] !== undefined) {
    fail('CommandNotSupported', 'a snapshot outside of a transaction is not supported by this database');
  }
  if (level !== 'snapshot' && !LEVELS.has(level)) {
    fail('BadValue', `Enumeration value '${String(level)}' for field 'readConcern.level' is not a valid value.`);
  }
}

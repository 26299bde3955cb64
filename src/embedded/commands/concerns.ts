import { toNumber } from '../bson/numbers.js';
import { type Document, fieldOf, isDocument, isNumeric } from '../bson/values.js';
import { fail } from '../errors.js';

/** What a command asks of its write, and how far that can be met. */
export interface WriteConcern {
  readonly isJournaled: boolean;
  /** What to add to the reply: the write is done, but not as widely as was asked. */
  readonly error: Document | undefined;
}

/** @throws DatabaseError UnknownReplWriteConcern for a mode with a name */
export const toWriteConcern = (command: Document): WriteConcern => {
  const concern = fieldOf(command, 'writeConcern');
  if (!isDocument(concern)) return { isJournaled: false, error: undefined };
  const { w, j } = concern;
  if (typeof w === 'string' && w !== 'majority') {
    fail('UnknownReplWriteConcern', `No write concern mode named '${w}' found in replica set configuration`);
  }
  const isUnsatisfiable = isNumeric(w) && toNumber(w) > 1;
  const error = { code: 100, codeName: 'UnsatisfiableWriteConcern', errmsg: 'Not enough data-bearing nodes' };
  return { isJournaled: j === true, error: isUnsatisfiable ? error : undefined };
};

/** All of them mean the same here: what a read sees is committed, and there is no other node. */
const LEVELS: ReadonlySet<unknown> = new Set([undefined, 'local', 'available', 'majority', 'linearizable']);

/**
 * Checks what a command asks of its read. A state of the past is to be had in a transaction only: answering from the
 * present one instead would break the promise without a word.
 * @throws DatabaseError CommandNotSupported for a snapshot outside of a transaction, BadValue for an unknown level
 */
export const ensureReadConcern = (command: Document, isInTransaction: boolean): void => {
  const concern = fieldOf(command, 'readConcern');
  if (!isDocument(concern)) return;
  const { level } = concern;
  if (level === 'snapshot' ? !isInTransaction : concern['atClusterTime'] !== undefined) {
    fail('CommandNotSupported', 'a snapshot outside of a transaction is not supported by this database');
  }
  if (level !== 'snapshot' && !LEVELS.has(level)) {
    fail('BadValue', `Enumeration value '${String(level)}' for field 'readConcern.level' is not a valid value.`);
  }
};

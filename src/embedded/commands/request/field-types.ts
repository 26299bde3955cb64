import { type Document, fieldOf, isDocument, isNumeric, typeOf } from '../../bson/values.js';
import { fail } from '../../errors.js';

/** Fields that are true or false. */
const BOOLEANS: ReadonlySet<string> = new Set([
  'allowDiskUse',
  'allowPartialResults',
  'errorsOnly',
  'noCursorTimeout',
  'ordered',
  'singleBatch',
]);
/** Fields that are true, false or a number. */
const FLAGS: ReadonlySet<string> = new Set([
  'authorizedCollections',
  'authorizedDatabases',
  'bypassDocumentValidation',
  'capped',
  'dropTarget',
  'nameOnly',
  'new',
  'remove',
  'upsert',
]);
/** Fields that are a number. */
const NUMBERS: ReadonlySet<string> = new Set(['batchSize', 'limit', 'size', 'skip']);

/**
 * Checks the type of a field of a command, if its name determines it. The other fields are checked where they are read.
 * Like in MongoDB, null counts as absent.
 * @throws DatabaseError TypeMismatch
 */
export function ensureFieldType(command: string, field: string, value: unknown): void {
  if (value === undefined || value === null) return;
  if (BOOLEANS.has(field)) {
    ensure(typeof value === 'boolean', { command, field, value, expected: "type 'bool'" });
  } else if (FLAGS.has(field)) {
    ensure(typeof value === 'boolean' || isNumeric(value), {
      command,
      field,
      value,
      expected: "types '[bool, long, int, decimal, double]'",
    });
  } else if (NUMBERS.has(field)) {
    ensure(isNumeric(value), { command, field, value, expected: "types '[long, int, decimal, double]'" });
  }
}

/** A field of a statement that is true or false; false when it is absent. @throws DatabaseError TypeMismatch */
export function booleanOf(statement: Document, field: string, where: string): boolean {
  const value = fieldOf(statement, field);
  if (value === undefined || value === null) return false;
  ensure(typeof value === 'boolean', { command: where, field, value, expected: "type 'bool'" });
  return value === true;
}

/** A field of a statement that is a document; undefined when it is absent. @throws DatabaseError TypeMismatch */
export function documentOf(statement: Document, field: string, where: string): Document | undefined {
  const value = fieldOf(statement, field);
  if (value === undefined || value === null) return undefined;
  ensure(isDocument(value), { command: where, field, value, expected: "type 'object'" });
  return value as Document;
}

interface Given {
  readonly command: string;
  readonly field: string;
  readonly value: unknown;
  readonly expected: string;
}

function ensure(isExpected: boolean, { command, field, value, expected }: Given): void {
  if (isExpected) return;
  fail('TypeMismatch', `BSON field '${command}.${field}' is the wrong type '${typeOf(value)}', expected ${expected}`);
}

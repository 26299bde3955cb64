import type { Binary } from 'bson';
import { type Collation, parseCollation } from '../../bson/collation.js';
import { toNumber } from '../../bson/numbers.js';
import { type Document, fieldOf, isDocument, isNumeric } from '../../bson/values.js';
import type { Collection } from '../../engine/collection.js';
import { ensureKnownFields, fail } from '../../errors.js';
import { evaluateVariables } from '../../query/expressions/expression.js';
import { documentOf } from './field-types.js';
import type { Request } from './request.js';

/** @throws DatabaseError CommandNotSupported naming an option that is given, and is neither false nor an empty document */
export function ensureNotGiven({ name, command }: Request, options: readonly string[]): void {
  for (const option of options) {
    const value = fieldOf(command, option);
    const isGiven = isDocument(value) ? Object.keys(value).length > 0 : value !== undefined && value !== false;
    if (isGiven) fail('CommandNotSupported', `${name}'s option ${option} is not supported by this database`);
  }
}

const failOnType = (request: Request, field: string, expected: string): never =>
  fail('TypeMismatch', `BSON field '${request.name}.${field}' is the wrong type, expected type '${expected}'`);

const failOnMissing = (request: Request, field: string): never =>
  fail('Location40414', `BSON field '${request.name}.${field}' is missing but a required field`);

/** A document in an optional field. @throws DatabaseError TypeMismatch for another type */
export const optionalDocument = ({ name, command }: Request, field: string): Document | undefined =>
  documentOf(command, field, name);

/** The array in a required field. @throws DatabaseError Location40414 or TypeMismatch */
export function requiredArray(request: Request, field: string): unknown[] {
  const value = fieldOf(request.command, field);
  if (value === undefined) return failOnMissing(request, field);
  return Array.isArray(value) ? value : failOnType(request, field, 'array');
}

/** The array of documents in a required field. @throws DatabaseError Location40414 or TypeMismatch */
export const requiredDocuments = (request: Request, field: string): Document[] =>
  requiredArray(request, field).map((value) =>
    isDocument(value) ? value : failOnType(request, `${field}.0`, 'object'),
  );

/** The string in a required field. @throws DatabaseError Location40414 or TypeMismatch */
export function requiredString(request: Request, field: string): string {
  const value = fieldOf(request.command, field);
  if (value === undefined) return failOnMissing(request, field);
  return typeof value === 'string' ? value : failOnType(request, field, 'string');
}

/** The non-negative integer in an optional field; 0 when it is absent. @throws DatabaseError TypeMismatch or Location51024 */
export function optionalCount(request: Request, field: string): number {
  return toCount(request, field, fieldOf(request.command, field)) ?? 0;
}

function toCount(request: Request, field: string, value: unknown): number | undefined {
  if (value === undefined || value === null) return undefined;
  if (!isNumeric(value)) return failOnType(request, field, 'long');
  const number = Math.trunc(toNumber(value));
  if (!(number >= 0)) fail('Location51024', `BSON field '${field}' value must be >= 0, actual value '${number}'`);
  return number;
}

/** Whether a flag is set: true or a number other than 0. */
export function isSet(document: Document, field: string): boolean {
  const value = fieldOf(document, field);
  return value === true || (isNumeric(value) && toNumber(value) !== 0);
}

/** The `batchSize` of a command's `cursor` field; undefined when it has none. @throws DatabaseError TypeMismatch or Location51024 */
export function cursorBatchSize(request: Request): number | undefined {
  const cursor = optionalDocument(request, 'cursor') ?? {};
  ensureKnownFields(cursor, CURSOR_FIELDS, 'cursor');
  return toCount(request, 'cursor.batchSize', cursor['batchSize']);
}

const CURSOR_FIELDS: ReadonlySet<string> = new Set(['batchSize']);

/** The collation of a command or a statement; the default is that of the collection. */
export const collationOf = (given: unknown, collection: Collection | undefined): Collation | undefined =>
  given === undefined || given === null ? collection?.collation : parseCollation(given);

/** The evaluated variables of the command's `let`. */
export function variablesOf(request: Request): Document | undefined {
  const variables = optionalDocument(request, 'let');
  return variables && evaluateVariables(variables);
}

/** The id of the session of a command. */
export function sessionIdOf(command: Document): Binary | undefined {
  const lsid = fieldOf(command, 'lsid');
  return isDocument(lsid) ? (lsid['id'] as Binary) : undefined;
}

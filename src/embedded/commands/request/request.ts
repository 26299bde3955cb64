import type { Binary } from 'bson';
import { type Collation, parseCollation } from '../../bson/collation.js';
import { toNumber } from '../../bson/numbers.js';
import { type Document, fieldOf, isDocument, isNumeric } from '../../bson/values.js';
import type { Collection } from '../../engine/collection.js';
import type { Namespace } from '../../engine/database.js';
import type { ReadStatistics } from '../../engine/read.js';
import type { Session } from '../../engine/sessions.js';
import type { Transaction } from '../../engine/transaction.js';
import { fail } from '../../errors.js';
import { evaluateVariables } from '../../query/expressions/expression.js';
import type { Connection } from '../../wire/listener.js';
import type { ServerState } from '../state/server-state.js';

/** One command with all it needs. */
export interface Request {
  readonly name: string;
  readonly command: Document;
  readonly database: string;
  readonly state: ServerState;
  readonly connection: Connection;
  readonly session: Session | undefined;
  readonly transaction: Transaction | undefined;
  /** Set for a write that may be sent again: its statements are answered from memory then. */
  readonly isRetryable: boolean;
  readonly deadline: Deadline;
}

/** The moment a command must be done by. */
export interface Deadline {
  /** Milliseconds since the epoch, or infinity. */
  readonly at: number;
  check(): void;
}

/** A command: which fields it takes, and what it does. */
export interface Command {
  /** The fields it understands beside its own name and the ones of every command. */
  readonly fields: ReadonlySet<string>;
  /** Whether it may be part of a transaction. */
  readonly isTransactional?: boolean;
  readonly run: (request: Request) => Document | Promise<Document>;
}

/** Of a command that takes none but its own. */
export const NO_FIELDS: ReadonlySet<string> = new Set();

/** For a command without `maxTimeMS`. */
export const NO_DEADLINE: Deadline = { at: Number.POSITIVE_INFINITY, check: () => {} };

const MAX_TIME_MS = 2 ** 31 - 1;

/** A deadline from `maxTimeMS`. @throws DatabaseError BadValue for what is not a whole number of an int32 */
export function createDeadline(given: unknown): Deadline {
  if (!isNumeric(given)) return fail('BadValue', 'maxTimeMS must be a number');
  const maxTimeMs = toNumber(given);
  if (!(maxTimeMs >= 0 && maxTimeMs <= MAX_TIME_MS)) {
    fail('BadValue', `${maxTimeMs} value for maxTimeMS is out of range [0, ${MAX_TIME_MS}]`);
  }
  if (!Number.isInteger(maxTimeMs)) fail('BadValue', 'maxTimeMS has non-integral value');
  if (maxTimeMs === 0) return NO_DEADLINE;
  const at = Date.now() + maxTimeMs;
  return {
    at,
    check: () => {
      if (Date.now() >= at) fail('MaxTimeMSExpired', 'operation exceeded time limit');
    },
  };
}

const typeError = (request: Request, field: string, expected: string): never =>
  fail('TypeMismatch', `BSON field '${request.name}.${field}' is the wrong type, expected type '${expected}'`);

const missing = (request: Request, field: string): never =>
  fail('Location40414', `BSON field '${request.name}.${field}' is missing but a required field`);

/** A field that holds a document, or is absent. */
export function optionalDocument(request: Request, field: string): Document | undefined {
  const value = fieldOf(request.command, field);
  if (value === undefined || value === null) return undefined;
  return isDocument(value) ? value : typeError(request, field, 'object');
}

/** A field that holds an array. @throws DatabaseError where it is missing or something else */
export function requiredArray(request: Request, field: string): unknown[] {
  const value = fieldOf(request.command, field);
  if (value === undefined) return missing(request, field);
  return Array.isArray(value) ? value : typeError(request, field, 'array');
}

/** A field that holds an array of documents. @throws DatabaseError where it is missing or something else */
export const requiredDocuments = (request: Request, field: string): Document[] =>
  requiredArray(request, field).map((value) =>
    isDocument(value) ? value : typeError(request, `${field}.0`, 'object'),
  );

/** A field that holds a string. @throws DatabaseError where it is missing or something else */
export function requiredString(request: Request, field: string): string {
  const value = fieldOf(request.command, field);
  if (value === undefined) return missing(request, field);
  return typeof value === 'string' ? value : typeError(request, field, 'string');
}

/** A whole number that must not be negative; `fallback` where it is absent. */
export function optionalCount(request: Request, field: string, fallback = 0): number {
  const value = fieldOf(request.command, field);
  if (value === undefined || value === null) return fallback;
  if (!isNumeric(value)) return typeError(request, field, 'long');
  const number = Math.trunc(toNumber(value));
  if (!(number >= 0)) fail('Location51024', `BSON field '${field}' value must be >= 0, actual value '${number}'`);
  return number;
}

/** Whether a flag is set, by true or by a number that is not zero. */
export function isSet(document: Document, field: string): boolean {
  const value = fieldOf(document, field);
  return value === true || (isNumeric(value) && toNumber(value) !== 0);
}

/** The collection a command names in its first field. */
export function targetName(request: Request): string {
  const name = fieldOf(request.command, request.name);
  if (typeof name !== 'string') {
    return fail(
      'InvalidNamespace',
      `collection name has invalid type ${typeof name === 'number' ? 'int' : typeof name}`,
    );
  }
  if (name === '' || name.includes('\0'))
    fail('InvalidNamespace', `Invalid namespace specified '${request.database}.${name}'`);
  return name;
}

/** The collection a command is about, if there is one of that name. */
export const targetCollection = (request: Request): Collection | undefined =>
  request.state.engine.collection(request.database, targetName(request));

/**
 * Takes `database.collection` apart.
 * @throws DatabaseError InvalidNamespace without a database
 */
export function toNamespace(text: string): Namespace {
  const dot = text.indexOf('.');
  if (dot <= 0) return fail('InvalidNamespace', `Invalid namespace specified '${text}'`);
  return { database: text.slice(0, dot), name: text.slice(dot + 1) };
}

/** The collection of a name, which comes into being with the first write. */
export const openTarget = ({ state, database, transaction }: Request, name: string): Collection =>
  state.engine.openCollection({ database, name }, transaction);

/** The collation to compare with: the command's, or else the collection's own. */
export const collationOf = (given: unknown, collection: Collection | undefined): Collation | undefined =>
  given === undefined || given === null ? collection?.collation : parseCollation(given);

/** The command's `let`. */
export function variablesOf(request: Request): Document | undefined {
  const variables = optionalDocument(request, 'let');
  return variables && evaluateVariables(variables);
}

/** The id of the session a command belongs to. */
export function sessionIdOf(command: Document): Binary | undefined {
  const lsid = fieldOf(command, 'lsid');
  return isDocument(lsid) ? (lsid['id'] as Binary) : undefined;
}

/** Nothing counted yet. */
export const createStatistics = (): ReadStatistics => ({ keysExamined: 0, documentsExamined: 0 });

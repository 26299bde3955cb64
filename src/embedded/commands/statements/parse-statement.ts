import { toNumber } from '../../bson/numbers.js';
import { type Document, fieldOf, isDocument, isNumeric } from '../../bson/values.js';
import type { Collection } from '../../engine/collection.js';
import { ensureKnownFields, fail } from '../../errors.js';
import { booleanOf, documentOf } from '../request/field-types.js';
import { collationOf, variablesOf } from '../request/fields.js';
import type { Request } from '../request/request.js';
import { createProgress, type TargetStatement } from './statement-targets.js';
import type { UpdateStatement } from './update-statement.js';

const UPDATE_FIELDS = new Set([
  'q',
  'u',
  'c',
  'multi',
  'upsert',
  'collation',
  'arrayFilters',
  'hint',
  'sort',
  'upsertSupplied',
]);
const DELETE_FIELDS = new Set(['q', 'limit', 'collation', 'hint']);

function filterOf(statement: Document, where: string): Document {
  const filter = fieldOf(statement, 'q');
  return isDocument(filter) ? filter : fail('Location40414', `BSON field '${where}.q' is missing but a required field`);
}

/** Checks an update: a document of operators, a replacement, or a pipeline. @throws DatabaseError FailedToParse */
export function toUpdate(update: unknown, where: string): Document | Document[] {
  if (isDocument(update)) return update;
  if (Array.isArray(update)) return update.map((stage) => (isDocument(stage) ? stage : failOnUpdate(where)));
  return failOnUpdate(where);
}

const failOnUpdate = (where: string): never =>
  fail('FailedToParse', `BSON field '${where}' must be an object or an array of objects`);

/** Checks that `arrayFilters` is an array. Compiling the update checks its content. @throws DatabaseError TypeMismatch */
export function toArrayFilters(value: unknown): Document[] | undefined {
  if (value === undefined || value === null) return undefined;
  if (!Array.isArray(value)) return fail('TypeMismatch', 'arrayFilters must be an array');
  return value.map((filter) =>
    isDocument(filter) ? filter : fail('TypeMismatch', 'an array filter must be an object'),
  );
}

/** Parses a statement of the command `update`. */
export function toUpdateStatement(
  request: Request,
  collection: Collection | undefined,
  given: Document,
): UpdateStatement {
  ensureKnownFields(given, UPDATE_FIELDS, 'update.updates');
  const isMulti = booleanOf(given, 'multi', 'update.updates');
  const constants = documentOf(given, 'c', 'update.updates');
  if (given['sort'] !== undefined && isMulti) fail('FailedToParse', 'Cannot specify sort with multi=true');
  return {
    filter: filterOf(given, 'update.updates'),
    update: toUpdate(given['u'], 'update.updates.u'),
    isMulti,
    isUpsert: booleanOf(given, 'upsert', 'update.updates'),
    sort: documentOf(given, 'sort', 'update.updates'),
    hint: given['hint'],
    arrayFilters: toArrayFilters(given['arrayFilters']),
    collation: collationOf(given['collation'], collection),
    hasConstants: constants !== undefined,
    variables: constants ? { ...variablesOf(request), ...constants } : variablesOf(request),
    progress: createProgress(),
  };
}

/** Parses a statement of the command `delete`. */
export function toDeleteStatement(
  request: Request,
  collection: Collection | undefined,
  given: Document,
): TargetStatement {
  ensureKnownFields(given, DELETE_FIELDS, 'delete.deletes');
  const limit = given['limit'];
  if (!isNumeric(limit))
    return fail('Location40414', "BSON field 'delete.deletes.limit' is missing but a required field");
  if (toNumber(limit) !== 0 && toNumber(limit) !== 1) {
    fail('FailedToParse', `The limit field in delete objects must be 0 or 1. Got ${toNumber(limit)}`);
  }
  return {
    filter: filterOf(given, 'delete.deletes'),
    isMulti: toNumber(limit) === 0,
    hint: given['hint'],
    collation: collationOf(given['collation'], collection),
    variables: variablesOf(request),
    progress: createProgress(),
  };
}

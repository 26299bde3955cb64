import { type Collation, parseCollation, toCollationDocument } from '../../bson/collation.js';
import { toNumber } from '../../bson/numbers.js';
import { type Document, isDocument, isNumeric } from '../../bson/values.js';
import { fail } from '../../errors.js';
import { compileFilter, type Matcher } from '../../query/filters/filter.js';

/** The checked definition of an index. */
export interface IndexDefinition {
  readonly name: string;
  /** The fields of the key pattern, in order. */
  readonly fields: readonly { readonly path: string; readonly direction: 1 | -1 }[];
  readonly isUnique: boolean;
  readonly isSparse: boolean;
  readonly isHidden: boolean;
  readonly collation: Collation | undefined;
  readonly partialFilter: Document | undefined;
  readonly partialMatcher: Matcher | undefined;
  readonly expireAfterSeconds: number | undefined;
  /** The specification that `listIndexes` reports and the log stores. */
  readonly spec: Document;
}

/** The options of an index specification that are accepted. */
const SUPPORTED_OPTIONS: ReadonlySet<string> = new Set([
  'key',
  'name',
  'v',
  'unique',
  'sparse',
  'hidden',
  'background',
  'expireAfterSeconds',
  'partialFilterExpression',
  'collation',
  'ns',
  'textIndexVersion',
  'prepareUnique',
  'dropDups',
]);
/** Accepted options without effect, which the stored specification omits. */
const DROPPED_OPTIONS: ReadonlySet<string> = new Set(['ns', 'prepareUnique', 'dropDups']);
const FLAGS = ['unique', 'sparse', 'hidden'] as const;
const SPECIAL_KINDS: ReadonlySet<string> = new Set(['2d', '2dsphere', 'text', 'hashed', 'columnstore', 'wildcard']);
const MAX_EXPIRE_SECONDS = 2_147_483_647;

/** The definition of the `_id_` index. */
export function idIndexDefinition(collation: Document | undefined): IndexDefinition {
  const parsed = parseCollation(collation);
  const spec: Document = { v: 2, key: { _id: 1 }, name: '_id_' };
  if (parsed) spec['collation'] = toCollationDocument(parsed);
  return {
    name: '_id_',
    fields: [{ path: '_id', direction: 1 }],
    isUnique: true,
    isSparse: false,
    isHidden: false,
    collation: parsed,
    partialFilter: undefined,
    partialMatcher: undefined,
    expireAfterSeconds: undefined,
    spec,
  };
}

/**
 * Checks a specification of `createIndexes`.
 * @param inherited - the collation of the collection, which applies unless the specification has one
 * @throws DatabaseError naming the option or index type that is invalid or not supported
 */
export function toIndexDefinition(given: Document, inherited?: Collation): IndexDefinition {
  for (const option of Object.keys(given)) {
    if (!SUPPORTED_OPTIONS.has(option)) {
      fail(
        'InvalidIndexSpecificationOption',
        `The field '${option}' is not valid for an index specification. Specification: ${JSON.stringify(given)}`,
      );
    }
  }
  for (const option of FLAGS) ensureFlag(option, given[option]);
  const fields = toFields(given['key']);
  const isId = fields.length === 1 && fields[0]?.path === '_id';
  const name = toName(given['name'], isId);
  ensureVersion(given['v']);
  const partialFilter = toPartialFilter(given['partialFilterExpression']);
  if (partialFilter && given['sparse']) {
    fail('CannotCreateIndex', 'cannot mix "partialFilterExpression" and "sparse" options');
  }
  if (isId && (partialFilter || given['sparse'] || given['expireAfterSeconds'] !== undefined)) {
    fail(
      'InvalidIndexSpecificationOption',
      `The field 'expireAfterSeconds', 'sparse' or 'partialFilterExpression' is not valid for an _id index specification.`,
    );
  }
  const collation = toCollation(given['collation'], inherited);
  return {
    name,
    fields,
    isUnique: isTruthy(given['unique']) || isId,
    isSparse: isTruthy(given['sparse']),
    isHidden: isTruthy(given['hidden']),
    collation,
    partialFilter,
    partialMatcher: partialFilter && compileFilter(partialFilter, collation ? { collation } : {}),
    expireAfterSeconds: toExpireSeconds(given['expireAfterSeconds'], fields.length),
    spec: toSpec(given, collation),
  };
}

function toName(name: unknown, isId: boolean): string {
  if (name === undefined)
    return fail('FailedToParse', "The 'name' field is a required property of an index specification");
  if (typeof name !== 'string') return fail('TypeMismatch', "The field 'name' must be a string");
  if (name === '') return fail('CannotCreateIndex', 'index name cannot be empty');
  if (name === '*') return fail('BadValue', "The index name '*' is not valid.");
  return name === '_id_' && !isId
    ? fail('BadValue', "The index name '_id_' is reserved for the _id index, which must have key pattern {_id: 1}")
    : name;
}

function ensureVersion(version: unknown): void {
  if (version === undefined) return;
  const number = isNumeric(version) ? toNumber(version) : fail('TypeMismatch', "The field 'v' must be a number");
  if (number !== 1 && number !== 2)
    fail('CannotCreateIndex', `Invalid index specification: cannot use version ${number}`);
}

function ensureFlag(option: string, value: unknown): void {
  if (value === undefined || typeof value === 'boolean' || isNumeric(value)) return;
  fail('TypeMismatch', `The field '${option}' has a value which is not convertible to bool`);
}

const isTruthy = (value: unknown): boolean => value === true || (isNumeric(value) && toNumber(value) !== 0);

function toFields(key: unknown): IndexDefinition['fields'] {
  if (key === undefined)
    return fail('FailedToParse', "The 'key' field is a required property of an index specification");
  if (!isDocument(key)) return fail('TypeMismatch', "The field 'key' must be an object");
  const entries = Object.entries(key);
  if (entries.length === 0) fail('CannotCreateIndex', 'Index keys cannot be empty.');
  return entries.map(([path, direction]) => {
    if (typeof direction === 'string') return failOnKind(direction);
    if (!isNumeric(direction)) {
      return fail(
        'CannotCreateIndex',
        'Values in v:2 index key pattern cannot be of this type. Only numbers > 0, numbers < 0, and strings are allowed.',
      );
    }
    const number = toNumber(direction);
    if (number === 0 || Number.isNaN(number)) fail('CannotCreateIndex', 'Values in the index key pattern cannot be 0.');
    ensurePath(path);
    return { path, direction: number > 0 ? 1 : -1 };
  });
}

const failOnKind = (kind: string): never =>
  SPECIAL_KINDS.has(kind)
    ? fail('CannotCreateIndex', `Indexes of type '${kind}' are not supported by this database`)
    : fail('CannotCreateIndex', `Unknown index plugin '${kind}'`);

function ensurePath(path: string): void {
  if (path === '' || path.split('.').includes(''))
    fail('CannotCreateIndex', 'Index keys cannot contain an empty field.');
  if (path.includes('$**')) fail('CannotCreateIndex', "Wildcard indexes ('$**') are not supported by this database");
  if (path.split('.').some((segment) => segment.startsWith('$') && !['$id', '$ref', '$db'].includes(segment))) {
    fail('CannotCreateIndex', `Index key contains an illegal field name: field name starts with '$'.`);
  }
}

function toCollation(given: unknown, inherited: Collation | undefined): Collation | undefined {
  if (given === undefined) return inherited;
  if (isDocument(given) && Object.keys(given).length === 0)
    return fail('BadValue', "The field 'collation' cannot be an empty object.");
  return parseCollation(given);
}

function toPartialFilter(filter: unknown): Document | undefined {
  if (filter === undefined) return undefined;
  return isDocument(filter) ? filter : fail('TypeMismatch', "The field 'partialFilterExpression' must be an object");
}

function toExpireSeconds(value: unknown, fieldCount: number): number | undefined {
  if (value === undefined) return undefined;
  if (!isNumeric(value)) return fail('TypeMismatch', "The field 'expireAfterSeconds' must be a number");
  const seconds = toNumber(value);
  if (!(seconds >= 0 && seconds <= MAX_EXPIRE_SECONDS)) {
    fail(
      'CannotCreateIndex',
      `TTL index 'expireAfterSeconds' option must be within an acceptable range, was ${seconds}`,
    );
  }
  if (fieldCount > 1)
    fail('CannotCreateIndex', 'TTL indexes are single-field indexes, compound indexes do not support TTL');
  return seconds;
}

const toVersion = (version: unknown): number => (isNumeric(version) ? toNumber(version) : 2);

function toSpec(given: Document, collation: Collation | undefined): Document {
  const spec: Document = { v: toVersion(given['v']), key: given['key'], name: given['name'] };
  for (const [option, value] of Object.entries(given)) {
    if (option in spec || DROPPED_OPTIONS.has(option) || option === 'collation') continue;
    if (!(FLAGS as readonly string[]).includes(option)) spec[option] = value;
    else if (isTruthy(value)) spec[option] = true;
  }
  if (collation) spec['collation'] = toCollationDocument(collation);
  return spec;
}

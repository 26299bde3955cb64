import type { Collation } from '../bson/collation.js';
import { mayReachArray, toIndexTuples } from '../bson/index-keys.js';
import { toNumber } from '../bson/numbers.js';
import { compareValues } from '../bson/order.js';
import { type Path, toArrayIndex, toPath, walkPath } from '../bson/path.js';
import { type Document, fieldOf, isDocument, isNumeric } from '../bson/values.js';
import { DatabaseError, fail } from '../errors.js';

/** One field of a sort. */
export interface SortField {
  readonly path: string;
  readonly direction: 1 | -1;
}

const MAX_FIELDS = 32;

/**
 * Parses a sort specification.
 * @throws DatabaseError for a direction other than 1 and -1, an invalid path, or `$meta`, which needs a text index
 */
export function parseSort(sort: Document): SortField[] {
  const fields = Object.entries(sort);
  if (fields.length > MAX_FIELDS) fail('Location13103', 'too many compound keys');
  return fields.map(([path, direction]) => {
    if (path === '' || path.split('.').includes('')) {
      return fail('Location15998', 'FieldPath field names may not be empty strings.');
    }
    if (path.startsWith('$')) {
      return fail(
        'Location16410',
        `FieldPath field names may not start with '$'. Consider using $getField or $setField.`,
      );
    }
    if (isDocument(direction)) return fail('CommandNotSupported', '$meta in a sort is not supported by this database');
    if (!isNumeric(direction))
      return fail('Location15974', `Illegal key in $sort specification: ${path}: ${String(direction)}`);
    const number = toNumber(direction);
    if (number !== 1 && number !== -1) {
      return fail('Location15975', '$sort key ordering must be 1 (for ascending) or -1 (for descending)');
    }
    return { path, direction: number };
  });
}

/** The memory limit of a sort without `allowDiskUse`, which is not the default here, unlike in MongoDB 6 and later. */
export const MAX_SORT_BYTES = 100 * 1024 * 1024;

/** @throws DatabaseError QueryExceededMemoryLimitNoDiskUseAllowed above {@link MAX_SORT_BYTES} */
export function ensureSortable(bytes: number): void {
  if (bytes <= MAX_SORT_BYTES) return;
  fail(
    'QueryExceededMemoryLimitNoDiskUseAllowed',
    `Sort exceeded memory limit of ${MAX_SORT_BYTES} bytes, but did not opt in to external sorting.`,
  );
}

/** Sort keys of documents, and their order. */
export interface SortOrder {
  /** The keys of a document, one for each field of the sort. */
  keysOf(document: Document): readonly unknown[];
  compare(left: readonly unknown[], right: readonly unknown[]): number;
}

/** Compiles a sort. */
export function compileSortOrder(fields: readonly SortField[], collation?: Collation): SortOrder {
  const compare = compileKeyComparison(fields, collation);
  return { compare, keysOf: compileSortKeys(fields, { compare, collation }) };
}

/**
 * Compiles a sort to a comparison of documents. In ascending order an array sorts by its least element, in descending
 * order by its greatest. A missing field sorts as null, an empty array below null.
 */
export function compileSort(sort: Document, collation?: Collation): (a: Document, b: Document) => number {
  const { compare, keysOf } = compileSortOrder(parseSort(sort), collation);
  return (a, b) => compare(keysOf(a), keysOf(b));
}

/** Sorts documents into a new array. The sort is stable and computes the keys of each document once. */
export function sortDocuments(documents: Iterable<Document>, sort: Document, collation?: Collation): Document[] {
  const { compare, keysOf } = compileSortOrder(parseSort(sort), collation);
  const entries: { readonly document: Document; readonly keys: readonly unknown[] }[] = [];
  for (const document of documents) entries.push({ document, keys: keysOf(document) });
  entries.sort((a, b) => compare(a.keys, b.keys));
  return entries.map(({ document }) => document);
}

type CompareKeys = (left: readonly unknown[], right: readonly unknown[]) => number;

function compileKeyComparison(fields: readonly SortField[], collation: Collation | undefined): CompareKeys {
  return function compareKeys(left, right) {
    for (let index = 0; index < fields.length; index += 1) {
      const order = compareValues(left[index], right[index], collation);
      if (order !== 0) return (fields[index]?.direction ?? 1) * order;
    }
    return 0;
  };
}

/**
 * Sorts the elements of an array.
 * @param sortBy - a direction for whole elements, or a sort by their fields. An element that is not a document sorts as a
 *   document without the fields. Unlike in a sort of documents, an array in a field is one value.
 */
export function sortElements(
  array: readonly unknown[],
  sortBy: number | readonly SortField[],
  collation: Collation | undefined,
): unknown[] {
  if (typeof sortBy === 'number') return [...array].sort((a, b) => sortBy * compareValues(a, b, collation));
  const compare = compileKeyComparison(sortBy, collation);
  const paths = sortBy.map(({ path }) => toPath(path));
  const entries = array.map((element) => ({ element, keys: paths.map((path) => elementKeyAt(element, path)) }));
  entries.sort((a, b) => compare(a.keys, b.keys));
  return entries.map(({ element }) => element);
}

function elementKeyAt(element: unknown, path: Path): unknown {
  if (!isDocument(element)) return null;
  let value: unknown = element;
  for (const name of path) {
    if (Array.isArray(value)) value = value[toArrayIndex(name)];
    else value = isDocument(value) ? fieldOf(value, name) : undefined;
  }
  return value ?? null;
}

/**
 * Compiles the sort keys of a document. A document with arrays has the candidates that it would have in an index on the
 * fields of the sort; the first of them in sort order counts. So fields of one array come from the same element.
 */
function compileSortKeys(
  fields: readonly SortField[],
  { compare, collation }: { compare: CompareKeys; collation: Collation | undefined },
): (document: Document) => readonly unknown[] {
  const paths = fields.map(({ path }) => toPath(path));
  const keyOf = fields.map(({ path, direction }) => compileSortKey(path, direction, collation));
  if (fields.length < 2) return (document) => keyOf.map((key) => key(document));
  return function sortKeysOf(document) {
    if (!paths.some((path) => mayReachArray(document, path))) return keyOf.map((key) => key(document));
    return tuplesOf(document, paths).reduce((best, tuple) => (compare(tuple, best) < 0 ? tuple : best));
  };
}

function tuplesOf(document: Document, paths: readonly Path[]): readonly (readonly unknown[])[] {
  try {
    return toIndexTuples(document, paths).tuples;
  } catch (error) {
    if (error instanceof DatabaseError && error.codeName === 'CannotIndexParallelArrays') {
      return fail('BadValue', 'cannot sort with keys that are parallel arrays');
    }
    throw error;
  }
}

function compileSortKey(
  dotted: string,
  direction: 1 | -1,
  collation: Collation | undefined,
): (document: Document) => unknown {
  const path = toPath(dotted);
  const [only] = path;
  const throughArrays = (document: Document): unknown => sortKeyAt(document, path, { direction, collation });
  if (only === undefined || path.length > 1) return throughArrays;
  return function sortKeyOf(document) {
    const value = fieldOf(document, only);
    if (value === undefined) return null;
    return Array.isArray(value) ? throughArrays(document) : value;
  };
}

function sortKeyAt(
  document: Document,
  path: Path,
  { direction, collation }: { direction: 1 | -1; collation: Collation | undefined },
): unknown {
  let best: unknown;
  let isFound = false;
  const consider = (value: unknown): void => {
    if (!isFound || direction * compareValues(value, best, collation) < 0) best = value;
    isFound = true;
  };
  walkPath(document, path, (value) => {
    if (value === undefined) consider(null);
    else if (!Array.isArray(value)) consider(value);
    // Like in MongoDB, an empty array sorts as `undefined`, which is below null.
    else if (value.length === 0) consider(undefined);
    else for (const element of value) consider(element);
    return false;
  });
  return isFound ? best : null;
}

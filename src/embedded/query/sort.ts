import type { Collation } from '../bson/collation.js';
import { toNumber } from '../bson/numbers.js';
import { compareValues } from '../bson/order.js';
import { type Path, toPath, walkPath } from '../bson/path.js';
import { type Document, fieldOf, isDocument, isNumeric } from '../bson/values.js';
import { fail } from '../errors.js';

/** One part of a sort. */
export interface SortField {
  readonly path: string;
  readonly direction: 1 | -1;
}

const MAX_FIELDS = 32;

/**
 * Reads a sort specification.
 * @throws DatabaseError for a direction that is not 1 or -1, or what `$meta` would need a text index for
 */
export const parseSort = (sort: Document): SortField[] => {
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
};

/**
 * Compiles a sort to a comparison of documents. An array sorts by its least element ascending and its greatest
 * descending; a missing field is null; an empty array is below null.
 */
export const compileSort = (sort: Document, collation?: Collation): ((a: Document, b: Document) => number) => {
  const keys = parseSort(sort).map(({ path, direction }) => ({
    keyOf: compileSortKey(path, direction, collation),
    direction,
  }));
  const [first] = keys;
  if (first === undefined) return () => 0;
  if (keys.length === 1) {
    const { keyOf, direction } = first;
    return (a, b) => direction * compareValues(keyOf(a), keyOf(b), collation);
  }
  return (a, b) => {
    for (const { keyOf, direction } of keys) {
      const order = compareValues(keyOf(a), keyOf(b), collation);
      if (order !== 0) return direction * order;
    }
    return 0;
  };
};

/** Sorts documents into a new array, computing each document's keys once; documents that are equal keep their order. */
export const sortDocuments = (documents: Iterable<Document>, sort: Document, collation?: Collation): Document[] => {
  const fields = parseSort(sort);
  const keyOf = fields.map(({ path, direction }) => compileSortKey(path, direction, collation));
  const entries: { readonly document: Document; readonly keys: readonly unknown[] }[] = [];
  for (const document of documents) entries.push({ document, keys: keyOf.map((key) => key(document)) });
  entries.sort((a, b) => {
    for (let index = 0; index < fields.length; index += 1) {
      const order = compareValues(a.keys[index], b.keys[index], collation);
      if (order !== 0) return (fields[index]?.direction ?? 1) * order;
    }
    return 0;
  });
  return entries.map(({ document }) => document);
};

const compileSortKey = (
  dotted: string,
  direction: 1 | -1,
  collation: Collation | undefined,
): ((document: Document) => unknown) => {
  const path = toPath(dotted);
  const [only] = path;
  const throughArrays = (document: Document): unknown => sortKeyAt(document, path, { direction, collation });
  if (only === undefined || path.length > 1) return throughArrays;
  return (document) => {
    const value = fieldOf(document, only);
    if (value === undefined) return null;
    return Array.isArray(value) ? throughArrays(document) : value;
  };
};

const sortKeyAt = (
  document: Document,
  path: Path,
  { direction, collation }: { direction: 1 | -1; collation: Collation | undefined },
): unknown => {
  let best: unknown;
  let isFound = false;
  const consider = (value: unknown): void => {
    if (!isFound || direction * compareValues(value, best, collation) < 0) best = value;
    isFound = true;
  };
  walkPath(document, path, (value) => {
    if (value === undefined) consider(null);
    else if (!Array.isArray(value)) consider(value);
    // An empty array is MongoDB's undefined here, which sorts below null.
    else if (value.length === 0) consider(undefined);
    else for (const element of value) consider(element);
    return false;
  });
  return isFound ? best : null;
};

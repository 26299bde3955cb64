import { fail } from '../errors.js';
import { type Path, toArrayIndex, toPath } from './path.js';
import { type Document, fieldOf, isDocument } from './values.js';

/** The entries of one document in an index: for each entry the values of the index's fields, in order. */
export interface IndexTuples {
  readonly tuples: readonly (readonly unknown[])[];
  /** For each field, whether an array lies on its path. */
  readonly isMultikey: readonly boolean[];
  /** Whether the document has none of the fields; a sparse index omits such a document. */
  readonly isMissing: boolean;
}

interface Collector {
  readonly paths: readonly Path[];
  readonly tuples: unknown[][];
  readonly isMultikey: boolean[];
  isMissing: boolean;
}

/**
 * The entries of a document in an index over the given paths. An array yields one entry per element. Fields that pass
 * through the same array take their values from the same element. Two different arrays cannot be indexed together.
 * Like in MongoDB, the value of a missing field is null and the value of an empty array is `undefined`.
 * @throws DatabaseError CannotIndexParallelArrays
 */
export function toIndexTuples(document: Document, paths: readonly Path[]): IndexTuples {
  const collector: Collector = { paths, tuples: [], isMultikey: paths.map(() => false), isMissing: true };
  const starts: Start[] = paths.map((_path, field) => ({ field, depth: 0, from: document }));
  collect(collector, starts, new Array(paths.length).fill(null));
  return collector;
}

/** The values of a document in an index on one path. There is at least one. */
export const indexValuesAt = (document: Document, path: string): unknown[] =>
  toIndexTuples(document, [toPath(path)]).tuples.map(([value]) => value);

/** Whether the path can lead to an array, judged by its first field. */
export function mayReachArray(document: Document, path: Path): boolean {
  const value = fieldOf(document, path[0] as string);
  return Array.isArray(value) || (path.length > 1 && isDocument(value));
}

/** Where to continue on the path of a field. */
interface Start {
  readonly field: number;
  readonly depth: number;
  readonly from: unknown;
}

/** The end of a path, or the array before which it stopped. */
interface Reached {
  readonly field: number;
  readonly depth: number;
  readonly value: unknown;
}

function follow(collector: Collector, { field, depth, from }: Start): Reached {
  const path = collector.paths[field] as Path;
  let value = from;
  for (let index = depth; ; index += 1) {
    if (Array.isArray(value)) {
      const position = index < path.length ? toArrayIndex(path[index] as string) : -1;
      if (position < 0 || position >= value.length) return { field, depth: index, value };
      value = value[position];
      continue;
    }
    if (index === path.length) return { field, depth: index, value };
    if (!isDocument(value)) return { field, depth: path.length, value: undefined };
    value = fieldOf(value, path[index] as string);
  }
}

function collect(collector: Collector, starts: readonly Start[], fixed: readonly unknown[]): void {
  const tuple = [...fixed];
  const inArray: Reached[] = [];
  let array: unknown[] | undefined;
  for (const start of starts) {
    const reached = follow(collector, start);
    if (reached.value !== undefined && reached.depth === (collector.paths[reached.field] as Path).length) {
      collector.isMissing = false;
    }
    if (!Array.isArray(reached.value)) {
      tuple[reached.field] = reached.value ?? null;
      continue;
    }
    if (array && array !== reached.value) failOnParallelArrays(collector, reached.field, inArray[0]?.field ?? 0);
    array = reached.value;
    collector.isMultikey[reached.field] = true;
    inArray.push(reached);
  }
  if (!array) {
    collector.tuples.push(tuple);
    return;
  }
  if (array.length === 0) {
    for (const { field, depth } of inArray) {
      tuple[field] = depth === (collector.paths[field] as Path).length ? undefined : null;
    }
    collector.tuples.push(tuple);
    return;
  }
  for (const element of array) collectElement(collector, { element, inArray, tuple });
}

function collectElement(
  collector: Collector,
  { element, inArray, tuple }: { element: unknown; inArray: readonly Reached[]; tuple: readonly unknown[] },
): void {
  const next = [...tuple];
  const starts: Start[] = [];
  for (const { field, depth } of inArray) {
    const isEnd = depth === (collector.paths[field] as Path).length;
    // An array inside an array is a value at the end of a path, and is not entered on the way.
    if (isEnd) next[field] = element;
    else if (isDocument(element)) starts.push({ field, depth, from: element });
    else next[field] = null;
  }
  if (starts.length === 0) collector.tuples.push(next);
  else collect(collector, starts, next);
}

function failOnParallelArrays({ paths }: Collector, left: number, right: number): never {
  const name = (field: number): string => (paths[field] as Path).join('.');
  return fail('CannotIndexParallelArrays', `cannot index parallel arrays [${name(left)}] [${name(right)}]`);
}

import { type Document, fieldOf, isDocument } from './values.js';

/** A dotted path, split once. */
export type Path = readonly string[];

/** The segments of a dotted path. */
export const toPath = (dotted: string): Path => dotted.split('.');

/** The array position a path segment names, or -1: `0` does, `00` and `-1` do not. */
export const toArrayIndex = (segment: string): number => (/^(?:0|[1-9]\d{0,9})$/.test(segment) ? Number(segment) : -1);

/**
 * Compiles the visit of what a dotted path means in a document, with MongoDB's array semantics: an array on the way is entered element
 * by element (its embedded documents only), and by position where the next segment is a number. Missing ends are
 * visited as `undefined`; an array's elements that are no documents are passed over.
 *
 * @param visit - gets each end value, an array as a whole
 * @returns a function that tells whether a visit stopped the walk
 */
export function createWalk(path: Path, visit: Visit): (document: Document) => boolean {
  const [only] = path;
  if (only !== undefined && path.length === 1) return (document) => visit(fieldOf(document, only), undefined);
  const walk: Walk = { path, visit };
  return (document) => walkDocument(document, walk, START);
}

/** {@link createWalk} for one walk. */
export const walkPath = (document: Document, path: Path, visit: Visit): boolean => createWalk(path, visit)(document);

/** Gets an end value and the position in the outermost array entered on the way; true stops the walk. */
export type Visit = (value: unknown, position: number | undefined) => boolean;

interface Walk {
  readonly path: Path;
  readonly visit: Visit;
}

interface Place {
  readonly depth: number;
  readonly position: number | undefined;
}

const START: Place = { depth: 0, position: undefined };

function walkDocument(document: Document, walk: Walk, { depth, position }: Place): boolean {
  const { path, visit } = walk;
  let current: Document = document;
  for (let index = depth; ; index += 1) {
    const value = fieldOf(current, path[index] as string);
    if (index === path.length - 1) return visit(value, position);
    if (Array.isArray(value)) return walkArray(value, walk, { depth: index + 1, position });
    if (!isDocument(value)) return visit(undefined, position);
    current = value;
  }
}

function walkArray(array: unknown[], walk: Walk, { depth, position }: Place): boolean {
  const { path, visit } = walk;
  const explicit = toArrayIndex(path[depth] as string);
  for (let index = 0; index < array.length; index += 1) {
    const element = array[index];
    const outermost = position ?? index;
    if (isDocument(element) && walkDocument(element, walk, { depth, position: outermost })) return true;
    if (index !== explicit) continue;
    if (depth === path.length - 1) {
      if (visit(element, outermost)) return true;
    } else if (Array.isArray(element)) {
      if (walkArray(element, walk, { depth: depth + 1, position: outermost })) return true;
    } else if (isDocument(element)) {
      if (walkDocument(element, walk, { depth: depth + 1, position: outermost })) return true;
    }
  }
  return false;
}

/** The values at a path, arrays as wholes and missing ends left out: what `distinct` and the planner look at. */
function valuesAt(document: Document, path: Path | string): unknown[] {
  const values: unknown[] = [];
  walkPath(document, typeof path === 'string' ? toPath(path) : path, (value) => {
    if (value !== undefined) values.push(value);
    return false;
  });
  return values;
}

/** The values `distinct` lists: {@link valuesAt} with each array replaced by its elements. */
export const distinctValuesAt = (document: Document, path: Path | string): unknown[] =>
  valuesAt(document, path).flatMap((value) => (Array.isArray(value) ? value : [value]));

/** What an index holds of a document for one of its fields. */
export interface IndexKeys {
  /** At least one; null stands for a missing field, `undefined` for an empty array. */
  readonly values: readonly unknown[];
  /** Whether an array lies on the path: the index is then multikey on this field. */
  readonly isArray: boolean;
  /** Whether nothing at all is stored at the path, which a sparse index leaves out. */
  readonly isMissing: boolean;
}

/**
 * The keys of a document for an indexed path. An array gives a key per element (an element that is itself an array is
 * one key), and an array of embedded documents a key per document.
 */
export function indexKeysAt(document: Document, path: Path | string): IndexKeys {
  const segments = typeof path === 'string' ? toPath(path) : path;
  const single = segments.length === 1 ? fieldOf(document, segments[0] as string) : MULTIPLE;
  if (single !== MULTIPLE && !Array.isArray(single)) {
    return { values: [single ?? null], isArray: false, isMissing: single === undefined };
  }
  const found: Found = { values: [], isArray: false, isMissing: true };
  collectKeys(document, segments, found);
  if (found.values.length === 0) found.values.push(null);
  return found;
}

const MULTIPLE = Symbol('multiple');

interface Found {
  values: unknown[];
  isArray: boolean;
  isMissing: boolean;
}

function collectKeys(document: Document, path: Path, found: Found): void {
  const value = fieldOf(document, path[0] as string);
  const rest = path.slice(1);
  if (rest.length === 0) collectLeaf(value, found);
  else if (isDocument(value)) collectKeys(value, rest, found);
  else if (Array.isArray(value)) collectThroughArray(value, rest, found);
  else found.values.push(null);
}

function collectThroughArray(value: unknown[], rest: Path, found: Found): void {
  found.isArray = true;
  const explicit = toArrayIndex(rest[0] as string);
  if (explicit >= 0 && explicit < value.length) {
    collectAtIndex(value[explicit], rest.slice(1), found);
    return;
  }
  if (value.length === 0) found.values.push(null);
  for (const element of value) {
    if (isDocument(element)) collectKeys(element, rest, found);
    else found.values.push(null);
  }
}

function collectAtIndex(element: unknown, rest: Path, found: Found): void {
  if (rest.length === 0) collectLeaf(element, found);
  else if (isDocument(element)) collectKeys(element, rest, found);
  else if (Array.isArray(element)) collectKeys({ [rest[0] as string]: element }, [rest[0] as string, ...rest], found);
  else found.values.push(null);
}

function collectLeaf(value: unknown, found: Found): void {
  if (value === undefined) {
    found.values.push(null);
    return;
  }
  found.isMissing = false;
  if (!Array.isArray(value)) {
    found.values.push(value);
    return;
  }
  found.isArray = true;
  if (value.length === 0) found.values.push(undefined);
  else found.values.push(...value);
}

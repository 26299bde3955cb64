import { type Document, fieldOf, isDocument } from './values.js';

/** A dotted path, split once. */
export type Path = readonly string[];

/** The segments of a dotted path. */
export const toPath = (dotted: string): Path => dotted.split('.');

/** The array position that a path segment names; -1 when it names none, as `00` and `-1`. */
export const toArrayIndex = (segment: string): number => (/^(?:0|[1-9]\d{0,9})$/.test(segment) ? Number(segment) : -1);

/**
 * Compiles a walk to the values at a dotted path, with MongoDB's array semantics. In an array on the way, the walk
 * enters each embedded document, and the element at a position when the next segment is a number. Other elements are
 * skipped. A missing value is visited as `undefined`.
 *
 * @param visit - receives each value at the end of the path; an array as one value
 * @returns a function that walks a document and returns whether a visit stopped the walk
 */
export function createWalk(path: Path, visit: Visit): (document: Document) => boolean {
  const [only] = path;
  if (only !== undefined && path.length === 1)
    return function walkOneField(document) {
      return visit(fieldOf(document, only), undefined);
    };
  const walk: Walk = { path, visit };
  return function walkAllFields(document) {
    return walkDocument(document, walk, START);
  };
}

/** Walks one document; see {@link createWalk}. */
export const walkPath = (document: Document, path: Path, visit: Visit): boolean => createWalk(path, visit)(document);

/** Receives a value and the position in the outermost array on the way to it. Returning true stops the walk. */
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
  const explicit = toArrayIndex(walk.path[depth] as string);
  for (let index = 0; index < array.length; index += 1) {
    const element = array[index];
    const place = { depth, position: position ?? index };
    if (isDocument(element) && walkDocument(element, walk, place)) return true;
    if (index === explicit && walkElement(element, walk, place)) return true;
  }
  return false;
}

/** Walks on from an element that the path names by its index. */
function walkElement(element: unknown, walk: Walk, { depth, position }: Place): boolean {
  if (depth === walk.path.length - 1) return walk.visit(element, position);
  const next = { depth: depth + 1, position };
  if (Array.isArray(element)) return walkArray(element, walk, next);
  return isDocument(element) && walkDocument(element, walk, next);
}

/** The values at a path, without missing ones. An array is one value. */
function valuesAt(document: Document, path: Path | string): unknown[] {
  const values: unknown[] = [];
  walkPath(document, typeof path === 'string' ? toPath(path) : path, (value) => {
    if (value !== undefined) values.push(value);
    return false;
  });
  return values;
}

/** The values at a path as `distinct` lists them: arrays are replaced by their elements. */
export const distinctValuesAt = (document: Document, path: Path | string): unknown[] =>
  valuesAt(document, path).flatMap((value) => (Array.isArray(value) ? value : [value]));

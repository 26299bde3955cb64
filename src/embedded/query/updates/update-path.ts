import type { Collation } from '../../bson/collation.js';
import { describe } from '../../bson/describe.js';
import { toArrayIndex } from '../../bson/path.js';
import { type Document, fieldOf, isDocument } from '../../bson/values.js';
import { fail } from '../../errors.js';
import { compileFilter } from '../filters/filter.js';
import { DBREF_FIELDS } from '../filters/operator.js';

/** A part of an update's path: a field or position, `$`, `$[]`, or `$[identifier]`. */
export type UpdateSegment =
  | { readonly kind: 'field'; readonly name: string }
  | { readonly kind: 'matched' }
  | { readonly kind: 'every' }
  | { readonly kind: 'filtered'; readonly identifier: string; readonly matches: (element: unknown) => boolean };

/** An update's path, taken apart. */
export interface UpdatePath {
  readonly text: string;
  readonly names: readonly string[];
  /** Only for a path with array operators, which means other paths in each document. */
  readonly segments: readonly UpdateSegment[] | undefined;
}

/** An entry of `arrayFilters`. */
export interface ArrayFilter {
  readonly identifier: string;
  readonly matches: (element: unknown) => boolean;
  isUsed: boolean;
}

const NO_FILTERS: ReadonlyMap<string, ArrayFilter> = new Map();

/**
 * Compiles `arrayFilters`.
 * @throws DatabaseError FailedToParse for one that is not about exactly one identifier
 */
export function compileArrayFilters(
  filters: readonly Document[] | undefined,
  options: { collation?: Collation | undefined; variables?: Document | undefined },
): ReadonlyMap<string, ArrayFilter> {
  if (filters === undefined || filters.length === 0) return NO_FILTERS;
  const compiled = new Map<string, ArrayFilter>();
  for (const filter of filters) {
    const identifiers = new Set(identifiersOf(filter));
    const [identifier] = identifiers;
    if (identifier === undefined) {
      return fail('FailedToParse', 'Cannot use an expression without a top-level field name in arrayFilters');
    }
    if (identifiers.size > 1) {
      return fail(
        'FailedToParse',
        `Error parsing array filter :: caused by :: Expected a single top-level field name, found '${[...identifiers].join("' and '")}'`,
      );
    }
    if (!/^[a-z][a-zA-Z0-9]*$/.test(identifier)) {
      return fail(
        'BadValue',
        `Error parsing array filter :: caused by :: The top-level field name must be an alphanumeric string beginning with a lowercase letter, found '${identifier}'`,
      );
    }
    if (compiled.has(identifier)) {
      return fail('FailedToParse', `Found multiple array filters with the same top-level field name ${identifier}`);
    }
    const matcher = compileFilter(filter, options);
    compiled.set(identifier, {
      identifier,
      matches: (element) => matcher.matches({ [identifier]: element }),
      isUsed: false,
    });
  }
  return compiled;
}

const identifiersOf = (filter: Document): string[] =>
  Object.entries(filter).flatMap(([key, value]) => {
    if (!key.startsWith('$')) return [key.split('.')[0] ?? ''];
    return Array.isArray(value) ? value.filter(isDocument).flatMap(identifiersOf) : [];
  });

/**
 * Reads an update's path.
 * @throws DatabaseError EmptyFieldName, DollarPrefixedFieldName or BadValue for one that is malformed
 */
export function parseUpdatePath(text: string, filters: ReadonlyMap<string, ArrayFilter>): UpdatePath {
  if (text === '') return fail('EmptyFieldName', 'An empty update path is not valid.');
  const names = text.split('.');
  if (!text.includes('$')) {
    if (names.includes('')) failOnEmptyName(text);
    return { text, names, segments: undefined };
  }
  const segments = names.map((name, index) => parseSegment({ name, index, text }, filters));
  return { text, names, segments: segments.every(({ kind }) => kind === 'field') ? undefined : segments };
}

interface RawSegment {
  readonly name: string;
  readonly index: number;
  readonly text: string;
}

const failOnEmptyName = (text: string): never =>
  fail('EmptyFieldName', `The update path '${text}' contains an empty field name, which is not allowed.`);

function parseSegment({ name, index, text }: RawSegment, filters: ReadonlyMap<string, ArrayFilter>): UpdateSegment {
  if (name === '') return failOnEmptyName(text);
  if (!name.startsWith('$')) return { kind: 'field', name };
  const isArrayOperator = name === '$' || name.startsWith('$[');
  if (isArrayOperator && index === 0) {
    return fail('BadValue', `Cannot have positional (i.e. '$') element in the first position in path '${text}'`);
  }
  if (name === '$') return { kind: 'matched' };
  if (name === '$[]') return { kind: 'every' };
  const identifier = /^\$\[(.+)\]$/.exec(name)?.[1];
  if (identifier === undefined) return { kind: 'field', name };
  const filter = filters.get(identifier);
  if (filter === undefined)
    return fail('BadValue', `No array filter found for identifier '${identifier}' in path '${text}'`);
  filter.isUsed = true;
  return { kind: 'filtered', identifier, matches: filter.matches };
}

/**
 * Checks what may be written to a document that exists already: an upsert may insert a field such as `$price`, but an
 * update must not add one at the top.
 * @throws DatabaseError DollarPrefixedFieldName
 */
export function ensureStorable({ names, text }: UpdatePath): void {
  const first = names[0] as string;
  if (first.startsWith('$') && !DBREF_FIELDS.has(first)) {
    fail('DollarPrefixedFieldName', `The dollar ($) prefixed field '${first}' in '${text}' is not valid for storage.`);
  }
}

/**
 * The paths that a path means in a document: itself, or what its array operators stand for.
 * @param position - where the query matched, for `$`
 * @throws DatabaseError BadValue when `$` has no match, or an array operator no array
 */
export function expandPath(
  path: UpdatePath,
  document: Document,
  position: () => number | undefined,
): (readonly string[])[] {
  if (path.segments === undefined) return [path.names];
  let partial: { readonly names: readonly string[]; readonly value: unknown }[] = [{ names: [], value: document }];
  for (const [index, segment] of path.segments.entries()) {
    if (segment.kind === 'field' || segment.kind === 'matched') {
      const name = segment.kind === 'field' ? segment.name : matchedName(position());
      partial = partial.map(({ names, value }) => ({ names: [...names, name], value: childOf(value, name) }));
      continue;
    }
    const isChosen = segment.kind === 'every' ? () => true : segment.matches;
    partial = partial.flatMap(({ names, value }) => {
      const array = ensureArray(value, path, index);
      return array.flatMap((element, at) =>
        isChosen(element) ? [{ names: [...names, String(at)], value: element }] : [],
      );
    });
  }
  return partial.map(({ names }) => names);
}

const matchedName = (position: number | undefined): string =>
  position === undefined
    ? fail('BadValue', 'The positional operator did not find the match needed from the query.')
    : String(position);

function childOf(value: unknown, name: string): unknown {
  if (Array.isArray(value)) return value[toArrayIndex(name)];
  return isDocument(value) ? fieldOf(value, name) : undefined;
}

function ensureArray(value: unknown, path: UpdatePath, index: number): unknown[] {
  if (Array.isArray(value)) return value;
  const before = path.names.slice(0, index);
  if (value === undefined) {
    return fail(
      'BadValue',
      `The path '${before.join('.')}' must exist in the document in order to apply array updates.`,
    );
  }
  return fail('BadValue', `Cannot apply array updates to non-array element ${before.at(-1)}: ${describe(value)}`);
}

/**
 * Checks the paths of an update as they are written: none is another or lies below another, and an array is not reached
 * both by `$[]` or `$[identifier]` and by anything else.
 * @throws DatabaseError ConflictingUpdateOperators (40)
 */
export function ensureNoConflicts(paths: readonly (readonly string[])[]): void {
  const conflict = findConflict(paths);
  if (conflict === undefined) return;
  const { path, at } = conflict;
  fail('ConflictingUpdateOperators', `Updating the path '${path}' would create a conflict at '${at}'`);
}

/**
 * Checks the same of the paths that an update means in one document, where two array operators may stand for one element.
 * @throws DatabaseError ConflictingUpdateOperators (40)
 */
export function ensureDisjoint(paths: readonly (readonly string[])[]): void {
  const conflict = findConflict(paths);
  if (conflict !== undefined) fail('ConflictingUpdateOperators', `Update created a conflict at '${conflict.at}'`);
}

interface Conflict {
  readonly path: string;
  readonly at: string;
}

/** Below a path: nothing, for it is written as a whole; the elements of its array; or fields and positions. */
type Below = 'nothing' | 'elements' | 'names';

function findConflict(paths: readonly (readonly string[])[]): Conflict | undefined {
  const known = new Map<string, Below>();
  for (const names of paths) {
    let at = '';
    for (const [index, name] of names.entries()) {
      at = index === 0 ? name : `${at}.${name}`;
      const next = names[index + 1];
      const below = next === undefined ? 'nothing' : next.startsWith('$[') ? 'elements' : 'names';
      const before = known.get(at);
      if (before !== undefined && (before !== below || below === 'nothing')) return { path: names.join('.'), at };
      known.set(at, below);
    }
  }
  return undefined;
}

/** The order in which MongoDB applies the fields of an update: by name, positions by number. */
export function comparePaths(left: UpdatePath, right: UpdatePath): number {
  const length = Math.min(left.names.length, right.names.length);
  for (let index = 0; index < length; index += 1) {
    const [a, b] = [left.names[index] as string, right.names[index] as string];
    if (a === b) continue;
    const [x, y] = [toArrayIndex(a), toArrayIndex(b)];
    if (x >= 0 && y >= 0) return x - y;
    return a < b ? -1 : 1;
  }
  return left.names.length - right.names.length;
}

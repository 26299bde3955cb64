import { describe } from '../../bson/describe.js';
import { toArrayIndex } from '../../bson/path.js';
import { type Document, fieldOf, isDocument } from '../../bson/values.js';
import { fail } from '../../errors.js';
import { DBREF_FIELDS } from '../filters/operator.js';
import type { ArrayFilter } from './array-filters.js';

/** A segment of an update path: a field or position, `$`, `$[]`, or `$[identifier]`. */
type UpdateSegment =
  | { readonly kind: 'field'; readonly name: string }
  | { readonly kind: 'matched' }
  | { readonly kind: 'every' }
  | { readonly kind: 'filtered'; readonly identifier: string; readonly matches: (element: unknown) => boolean };

/** A parsed update path. */
export interface UpdatePath {
  readonly text: string;
  readonly names: readonly string[];
  /** Set for a path with array operators, which expands to other paths in each document. */
  readonly segments: readonly UpdateSegment[] | undefined;
}

/**
 * Parses an update path.
 * @throws DatabaseError EmptyFieldName or BadValue when it is malformed
 */
export function parseUpdatePath(text: string, filters: ReadonlyMap<string, ArrayFilter>): UpdatePath {
  if (text === '') return fail('EmptyFieldName', 'An empty update path is not valid.');
  const names = text.split('.');
  if (!text.includes('$')) {
    if (names.includes('')) failOnEmptyName(text);
    return { text, names, segments: undefined };
  }
  const segments = names.map((name, index) => parseSegment({ name, index, text }, filters));
  if (segments.filter(({ kind }) => kind === 'matched').length > 1) {
    return fail('BadValue', `Too many positional (i.e. '$') elements found in path '${text}'`);
  }
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
 * Checks that an update of an existing document writes no top-level field such as `$price`. An upsert can insert one.
 * @throws DatabaseError DollarPrefixedFieldName
 */
export function ensureStorable({ names, text }: UpdatePath): void {
  const first = names[0] as string;
  if (first.startsWith('$') && !DBREF_FIELDS.has(first)) {
    fail('DollarPrefixedFieldName', `The dollar ($) prefixed field '${first}' in '${text}' is not valid for storage.`);
  }
}

/**
 * Expands the array operators of a path in a document.
 * @param position - the array position that the filter matched, for `$`
 * @throws DatabaseError BadValue when `$` has no match, or an array operator is not on an array
 */
export function expandPath(
  path: UpdatePath,
  document: Document,
  position: () => number | undefined,
): (readonly string[])[] {
  const { names: given, segments } = path;
  if (segments === undefined) return [given];
  if (segments.every(({ kind }) => kind === 'field' || kind === 'matched')) {
    return [given.map((name, index) => (segments[index]?.kind === 'matched' ? matchedName(position()) : name))];
  }
  let partial: { readonly names: readonly string[]; readonly value: unknown }[] = [{ names: [], value: document }];
  for (const [index, segment] of segments.entries()) {
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

/** Compares paths in the order in which MongoDB applies them: by name, positions by number. */
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

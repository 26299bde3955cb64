import type { Collation } from '../../bson/collation.js';
import { type Document, isDocument } from '../../bson/values.js';
import { fail } from '../../errors.js';
import { compileFilter } from '../filters/filter.js';

/** A compiled entry of `arrayFilters`. */
export interface ArrayFilter {
  readonly identifier: string;
  readonly matches: (element: unknown) => boolean;
  isUsed: boolean;
}

const NO_FILTERS: ReadonlyMap<string, ArrayFilter> = new Map();

/**
 * Compiles `arrayFilters`.
 * @throws DatabaseError FailedToParse or BadValue for an entry without exactly one valid identifier
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
    const matcher = compileFilter(filter, { ...options, bansExpr: true });
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

import { createWalk, type Path, walkPath } from '../../bson/path.js';
import { type Document, isDocument } from '../../bson/values.js';
import type { ValueTest } from './comparison-operators.js';

/** What one operator requires of a path. Negation applies to the path as a whole, so it is separate from value tests. */
export type PathTest =
  | ValuePathTest
  | { readonly kind: 'not'; readonly inner: PathTest }
  | { readonly kind: 'all'; readonly inner: readonly PathTest[] };

/** A test of the values at the end of a path. */
export interface ValuePathTest {
  readonly kind: 'value';
  readonly matches: ValueTest;
  /** An array is tested as one value; its elements are not tested. */
  readonly isWhole?: boolean;
  /** Which element of an array satisfies a test with `isWhole`; -1 for none. */
  readonly indexIn?: (array: unknown[]) => number;
}

/** A compiled part of a filter. */
export interface Condition {
  readonly test: (document: Document) => boolean;
}

/** The path test as a condition on documents. */
export function onPath(test: PathTest, path: Path): Condition {
  switch (test.kind) {
    case 'not': {
      const inner = onPath(test.inner, path);
      return { test: (document) => !inner.test(document) };
    }
    case 'all':
      return allOf(test.inner.map((inner) => onPath(inner, path)));
    default:
      return valueCondition(test, path);
  }
}

/** The path test applied to one value, as `$elemMatch` and `$pull` apply it to an element. */
export function onValue(test: PathTest): ValueTest {
  switch (test.kind) {
    case 'not': {
      const inner = onValue(test.inner);
      return (value) => !inner(value);
    }
    case 'all': {
      const tests = test.inner.map(onValue);
      return (value) => tests.every((matches) => matches(value));
    }
    default:
      return test.matches;
  }
}

/** A condition that requires every condition. */
export function allOf(conditions: readonly Condition[]): Condition {
  const [first, second] = conditions;
  if (first !== undefined && conditions.length === 1) return first;
  if (first !== undefined && second !== undefined && conditions.length === 2) {
    return { test: (document) => first.test(document) && second.test(document) };
  }
  return {
    test: (document) => {
      for (const condition of conditions) if (!condition.test(document)) return false;
      return true;
    },
  };
}

/** A condition that requires at least one condition. */
export function anyOf(conditions: readonly Condition[]): Condition {
  return {
    test: (document) => {
      for (const condition of conditions) if (condition.test(document)) return true;
      return false;
    },
  };
}

/** A condition that requires that no condition holds. */
export function noneOf(conditions: readonly Condition[]): Condition {
  const any = anyOf(conditions);
  return { test: (document) => !any.test(document) };
}

function valueCondition({ matches, isWhole = false }: ValuePathTest, path: Path): Condition {
  if (isWhole) return { test: createWalk(path, matches) };
  return {
    test: createWalk(path, function matchesValueOrElement(value) {
      if (!Array.isArray(value)) return matches(value);
      for (const element of value) if (matches(element)) return true;
      return matches(value);
    }),
  };
}

/** In a document that matches: the position in the outermost array that the match went through. */
export function positionOnPath(
  { matches, isWhole = false, indexIn }: ValuePathTest,
  path: Path,
  document: Document,
): number | undefined {
  const indexOf = indexIn ?? ((array: unknown[]) => (isWhole ? -1 : array.findIndex(matches)));
  let found: number | undefined;
  walkPath(document, path, (value, position) => {
    const index = Array.isArray(value) ? indexOf(value) : -1;
    if (index === -1 && !matches(value)) return false;
    found = position ?? (index === -1 ? undefined : index);
    return true;
  });
  return found;
}

/** A value as the document that paths inside `$elemMatch` read: an array becomes the document of its positions. */
export function asDocument(value: unknown): Document | undefined {
  if (isDocument(value)) return value;
  return Array.isArray(value) ? Object.fromEntries(value.entries()) : undefined;
}

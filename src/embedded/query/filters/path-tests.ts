import { createWalk, type Path, walkPath } from '../../bson/path.js';
import { type Document, isDocument } from '../../bson/values.js';
import type { ValueTest } from './comparison-operators.js';

/** What one operator asks of a path. Negation is decided per path, so it is kept apart from the tests on values. */
export type Operation =
  | {
      readonly kind: 'test';
      readonly test: ValueTest;
      /** The value at the end of the path is tested as a whole: an array's elements are not tried one by one. */
      readonly isWhole?: boolean;
      /** Which element of an array made a whole test true. */
      readonly indexIn?: (value: unknown[]) => number;
    }
  | { readonly kind: 'not'; readonly inner: Operation }
  | { readonly kind: 'all'; readonly inner: readonly Operation[] };

/** A compiled part of a filter. */
export interface Condition {
  readonly test: (document: Document) => boolean;
}

/** The operation as a condition on a document's path. */
export const onPath = (operation: Operation, path: Path): Condition => {
  switch (operation.kind) {
    case 'not': {
      const inner = onPath(operation.inner, path);
      return { test: (document) => !inner.test(document) };
    }
    case 'all':
      return allOf(operation.inner.map((inner) => onPath(inner, path)));
    default:
      return leafCondition(operation, path);
  }
};

/** The operation as a test on one value, as `$elemMatch` and `$pull` apply it to an element. */
export const onValue = (operation: Operation): ValueTest => {
  switch (operation.kind) {
    case 'not': {
      const inner = onValue(operation.inner);
      return (value) => !inner(value);
    }
    case 'all': {
      const tests = operation.inner.map(onValue);
      return (value) => tests.every((test) => test(value));
    }
    default:
      return operation.test;
  }
};

/** Every condition holds. */
export const allOf = (conditions: readonly Condition[]): Condition => {
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
};

/** Some condition holds. */
export const anyOf = (conditions: readonly Condition[]): Condition => ({
  test: (document) => {
    for (const condition of conditions) if (condition.test(document)) return true;
    return false;
  },
});

/** No condition holds. */
export const noneOf = (conditions: readonly Condition[]): Condition => {
  const any = anyOf(conditions);
  return { test: (document) => !any.test(document) };
};

const leafCondition = (operation: Operation & { kind: 'test' }, path: Path): Condition => {
  const { test, isWhole = false } = operation;
  const leaf: ValueTest = isWhole
    ? test
    : (value) => {
        if (!Array.isArray(value)) return test(value);
        for (const element of value) if (test(element)) return true;
        return test(value);
      };
  return { test: createWalk(path, leaf) };
};

/** For a document that matches a test on a path: the position in the outermost array that the match went through. */
export const positionOnPath = (
  { test, isWhole = false, indexIn }: Operation & { kind: 'test' },
  path: Path,
  document: Document,
): number | undefined => {
  const indexOf = indexIn ?? ((value: unknown[]) => (isWhole ? -1 : value.findIndex(test)));
  let found: number | undefined;
  walkPath(document, path, (value, position) => {
    const index = Array.isArray(value) ? indexOf(value) : -1;
    if (index === -1 && !test(value)) return false;
    found = position ?? (index === -1 ? undefined : index);
    return true;
  });
  return found;
};

/** An array seen as the document of its positions, which is how paths inside `$elemMatch` see a nested array. */
export const asDocument = (value: unknown): Document | undefined => {
  if (isDocument(value)) return value;
  return Array.isArray(value) ? Object.fromEntries(value.entries()) : undefined;
};

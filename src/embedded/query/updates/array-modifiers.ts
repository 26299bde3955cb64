import type { Collation } from '../../bson/collation.js';
import { describe } from '../../bson/describe.js';
import { toKeyString } from '../../bson/key-string.js';
import { integerOf, toNumber } from '../../bson/numbers.js';
import { isEqual } from '../../bson/order.js';
import { type Document, isDocument, isNumeric, typeOf } from '../../bson/values.js';
import { fail } from '../../errors.js';
import type { ValueTest } from '../filters/comparison-operators.js';
import { compileFilter } from '../filters/filter.js';
import { isOperatorDocument } from '../filters/operator.js';
import { isRegExp } from '../regular-expression.js';
import { type SortField, sortElements } from '../sort.js';
import type { ModifierCompiler } from './modifier.js';

interface PushClauses {
  readonly values: readonly unknown[];
  readonly position: number | undefined;
  readonly slice: number | undefined;
  readonly sort: ((array: unknown[]) => unknown[]) | undefined;
}

const PUSH_CLAUSES: ReadonlySet<string> = new Set(['$each', '$position', '$slice', '$sort']);

function parsePush(argument: unknown, collation: Collation | undefined): PushClauses {
  if (!isDocument(argument) || !Object.hasOwn(argument, '$each')) {
    return { values: [argument], position: undefined, slice: undefined, sort: undefined };
  }
  for (const key of Object.keys(argument)) {
    if (!PUSH_CLAUSES.has(key)) fail('BadValue', `Unrecognized clause in $push: ${key}`);
  }
  return {
    values: eachOf('$push', argument),
    position: ensureInteger('$position', argument['$position']),
    slice: ensureInteger('$slice', argument['$slice']),
    sort: argument['$sort'] === undefined ? undefined : compileElementSort(argument['$sort'], collation),
  };
}

function eachOf(operator: '$push' | '$addToSet', argument: Document): unknown[] {
  const each = argument['$each'];
  if (Array.isArray(each)) return each;
  const codeName = operator === '$push' ? 'BadValue' : 'TypeMismatch';
  return fail(codeName, `The argument to $each in ${operator} must be an array but it was of type: ${typeOf(each)}`);
}

function ensureInteger(clause: string, value: unknown): number | undefined {
  if (value === undefined) return undefined;
  return (
    integerOf(value) ??
    fail('BadValue', `The value for ${clause} must be an integer value but was given type: ${typeOf(value)}`)
  );
}

function compileElementSort(sort: unknown, collation: Collation | undefined): (array: unknown[]) => unknown[] {
  if (isNumeric(sort)) {
    const direction = toNumber(sort);
    if (direction !== 1 && direction !== -1) return fail('BadValue', 'The $sort element value must be either 1 or -1');
    return (array) => sortElements(array, direction, collation);
  }
  if (!isDocument(sort))
    return fail(
      'BadValue',
      'The $sort is invalid: use 1/-1 to sort the whole element, or {field:1/-1} to sort embedded fields',
    );
  const fields = parseElementSort(sort);
  return (array) => sortElements(array, fields, collation);
}

/** The fields of a `$sort`. Unlike a sort of documents, all its errors are BadValue. */
function parseElementSort(sort: Document): SortField[] {
  const fields = Object.entries(sort);
  if (fields.length === 0) return fail('BadValue', 'The $sort pattern is empty when it should be a set of fields.');
  return fields.map(([path, value]) => {
    const direction = isNumeric(value) ? toNumber(value) : undefined;
    if (direction !== 1 && direction !== -1) return fail('BadValue', 'The $sort element value must be either 1 or -1');
    if (path.split('.').includes('')) {
      return fail('BadValue', `The $sort field is a dotted field but has an empty part: '${path}'`);
    }
    return { path, direction };
  });
}

const compilePush: ModifierCompiler = (argument, _path, { collation }) => {
  const { values, position, slice, sort } = parsePush(argument, collation);
  return {
    creates: true,
    change: (value, { path, document }) => {
      if (value !== undefined && !Array.isArray(value)) {
        return fail(
          'BadValue',
          `The field '${path}' must be an array but is of type ${typeOf(value)} in document {_id: ${describe(document['_id'])}}`,
        );
      }
      const isUnchanged = values.length === 0 && sort === undefined && value !== undefined;
      if (isUnchanged && value.length <= Math.abs(slice ?? value.length)) return value;
      // An array that grows has room for seventeen elements. Stored documents have many short ones.
      const array = (value ?? []).toSpliced(positionIn(value ?? [], position), 0, ...values);
      const sorted = sort === undefined ? array : sort(array);
      return slice === undefined ? sorted : slice < 0 ? sorted.slice(slice) : sorted.slice(0, slice);
    },
  };
};

const positionIn = (array: unknown[], position: number | undefined): number =>
  position === undefined ? array.length : position < 0 ? Math.max(array.length + position, 0) : position;

const compileAddToSet: ModifierCompiler = (argument, _path, { collation }) => {
  const hasEach = isDocument(argument) && Object.keys(argument)[0] === '$each';
  if (hasEach) {
    for (const key of Object.keys(argument)) {
      if (key !== '$each') fail('BadValue', `Found unexpected fields after $each in $addToSet: ${describe(argument)}`);
    }
  }
  const values = hasEach ? eachOf('$addToSet', argument) : [argument];
  return {
    creates: true,
    change: (value, { path }) => {
      if (value !== undefined && !Array.isArray(value)) {
        return fail(
          'BadValue',
          `Cannot apply $addToSet to non-array field. Field named '${path.split('.').at(-1)}' has non-array type ${typeOf(value)}`,
        );
      }
      const added = missingFrom(value ?? [], values, collation);
      return added.length === 0 && value !== undefined ? value : (value ?? []).concat(added);
    },
  };
};

/** From this many comparisons on, building keys is faster than comparing. */
const HASH_FROM = 64;

function missingFrom(array: unknown[], values: readonly unknown[], collation: Collation | undefined): unknown[] {
  const added: unknown[] = [];
  if (array.length * values.length < HASH_FROM) {
    for (const value of values) {
      const isKnown = (element: unknown): boolean => isEqual(element, value, collation);
      if (!array.some(isKnown) && !added.some(isKnown)) added.push(value);
    }
    return added;
  }
  const keys = new Set(array.map((element) => toKeyString(element, collation)));
  for (const value of values) {
    const key = toKeyString(value, collation);
    if (!keys.has(key)) added.push(value);
    keys.add(key);
  }
  return added;
}

const compilePop: ModifierCompiler = (argument) => {
  const end = isNumeric(argument) ? toNumber(argument) : Number.NaN;
  if (Number.isNaN(end)) return fail('FailedToParse', `Expected a number in: $pop: ${describe(argument)}`);
  if (end !== 1 && end !== -1) return fail('FailedToParse', `$pop expects 1 or -1, found: ${describe(argument)}`);
  return {
    creates: false,
    needsViablePath: true,
    change: (value, { path }) => {
      if (!Array.isArray(value)) {
        return fail('TypeMismatch', `Path '${path}' contains an element of non-array type '${typeOf(value)}'`);
      }
      if (value.length === 0) return value;
      return end === 1 ? value.slice(0, -1) : value.slice(1);
    },
  };
};

const removing = (isRemoved: ValueTest): ReturnType<ModifierCompiler> => ({
  creates: false,
  needsViablePath: true,
  change: (value) => {
    if (!Array.isArray(value)) return fail('BadValue', 'Cannot apply $pull to a non-array value');
    const kept = value.filter((element) => !isRemoved(element));
    return kept.length === value.length ? value : kept;
  },
});

const compilePull: ModifierCompiler = (argument, _path, { collation }) => {
  const isLogical = isDocument(argument) && /^\$(?:and|or|nor|expr)$/.test(Object.keys(argument)[0] ?? '');
  if (isDocument(argument) && (!isOperatorDocument(argument) || isLogical)) {
    const matcher = compileFilter(argument, { collation, bansExpr: true });
    return removing((element) => isDocument(element) && matcher.matches(element));
  }
  if (isDocument(argument) || isRegExp(argument)) {
    const matcher = compileFilter({ element: argument }, { collation });
    return removing((element) => matcher.matches({ element }));
  }
  return removing((element) => isEqual(element, argument, collation));
};

const compilePullAll: ModifierCompiler = (argument, _path, { collation }) => {
  if (!Array.isArray(argument))
    return fail('BadValue', `$pullAll requires an array argument but was given a ${typeOf(argument)}`);
  const keys = new Set(argument.map((value) => toKeyString(value, collation)));
  return removing((element) => keys.has(toKeyString(element, collation)));
};

/** The update operators on arrays. */
export const ARRAY_MODIFIERS: readonly (readonly [string, ModifierCompiler])[] = [
  ['$push', compilePush],
  ['$addToSet', compileAddToSet],
  ['$pop', compilePop],
  ['$pull', compilePull],
  ['$pullAll', compilePullAll],
];

import { toNumber } from '../../bson/numbers.js';
import { isDocument, isNumeric } from '../../bson/values.js';
import { fail } from '../../errors.js';
import type { ValueTest } from './comparison-operators.js';
import { isOperatorDocument, isValueElemMatch, type OperatorContext } from './operator.js';
import { asDocument, onValue, type PathTest } from './path-tests.js';

/** `$size`: the array has exactly this many elements. */
export function compileSize(operand: unknown): PathTest {
  if (!isNumeric(operand)) return fail('BadValue', `Failed to parse $size. Expected a number in: $size`);
  const size = toNumber(operand);
  if (!Number.isInteger(size)) return fail('BadValue', `Failed to parse $size. Expected an integer: $size: ${size}`);
  if (size < 0) return fail('BadValue', `Failed to parse $size. Expected a non-negative number in: $size: ${size}`);
  return { kind: 'value', isWhole: true, matches: (value) => Array.isArray(value) && value.length === size };
}

/** `$elemMatch`: one element satisfies all operators, or a filter on its fields. */
export function compileElemMatch(operand: unknown, context: OperatorContext): PathTest {
  if (!isDocument(operand)) return fail('BadValue', '$elemMatch needs an Object');
  const matches = isValueElemMatch(operand)
    ? compileValueTest(operand, context)
    : compileElementFilter(operand, context);
  return {
    kind: 'value',
    isWhole: true,
    matches: (value) => Array.isArray(value) && value.some(matches),
    indexIn: (array) => array.findIndex(matches),
  };
}

function compileValueTest(operators: Record<string, unknown>, context: OperatorContext): ValueTest {
  const tests = context.compileOperators('', operators, context).map(({ test }) => onValue(test));
  return (value) => tests.every((matches) => matches(value));
}

function compileElementFilter(filter: Record<string, unknown>, context: OperatorContext): ValueTest {
  const condition = context.compileCondition(filter);
  return function matchesElement(value) {
    const document = asDocument(value);
    return document !== undefined && condition.test(document);
  };
}

/** `$all`: each listed value is an element of the array, or is the value. Each `$elemMatch` entry matches an element. */
export function compileAll(operand: unknown, context: OperatorContext, path: string): PathTest {
  if (!Array.isArray(operand)) return fail('BadValue', '$all needs an array');
  // Like mongod: an empty list matches no document.
  if (operand.length === 0) return { kind: 'value', matches: () => false };
  const isElemMatchList = isElemMatch(operand[0]);
  const inner = operand.map((entry): PathTest => {
    if (isElemMatch(entry) !== isElemMatchList) {
      return fail('BadValue', isElemMatchList ? '$all/$elemMatch has to be consistent' : 'no $ expressions in $all');
    }
    if (!isElemMatchList && isOperatorDocument(entry)) return fail('BadValue', 'no $ expressions in $all');
    const [compiled] = context.compileField(path, entry, context);
    return compiled?.test ?? fail('BadValue', '$all/$elemMatch has to be consistent');
  });
  return { kind: 'all', inner };
}

const isElemMatch = (entry: unknown): boolean => isDocument(entry) && Object.keys(entry)[0] === '$elemMatch';

import { toNumber } from '../../bson/numbers.js';
import { isDocument, isNumeric } from '../../bson/values.js';
import { fail } from '../../errors.js';
import type { ValueTest } from './comparison-operators.js';
import { compileField, compileOperators, isOperatorDocument, type OperatorContext } from './filter-operators.js';
import { asDocument, type Operation, onValue } from './path-tests.js';

/** `$size`: the array has exactly so many elements. */
export const compileSize = (operand: unknown): Operation => {
  if (!isNumeric(operand)) return fail('BadValue', `Failed to parse $size. Expected a number in: $size`);
  const size = toNumber(operand);
  if (!Number.isInteger(size)) return fail('BadValue', `Failed to parse $size. Expected an integer: $size: ${size}`);
  if (size < 0) return fail('BadValue', `Failed to parse $size. Expected a non-negative number in: $size: ${size}`);
  return { kind: 'test', isWhole: true, test: (value) => Array.isArray(value) && value.length === size };
};

const LOGICAL: ReadonlySet<string> = new Set(['$and', '$or', '$nor', '$where', '$expr']);

/** `$elemMatch`: one element fulfils all of it, be it operators on the element or a filter on its fields. */
export const compileElemMatch = (operand: unknown, context: OperatorContext): Operation => {
  if (!isDocument(operand)) return fail('BadValue', '$elemMatch needs an Object');
  const [first] = Object.keys(operand);
  const isOnValues = isOperatorDocument(operand) && !LOGICAL.has(first ?? '');
  const test = isOnValues ? compileValueTest(operand, context) : compileElementFilter(operand, context);
  return {
    kind: 'test',
    isWhole: true,
    test: (value) => Array.isArray(value) && value.some(test),
    indexIn: (value) => value.findIndex(test),
  };
};

const compileValueTest = (operators: Record<string, unknown>, context: OperatorContext): ValueTest => {
  const tests = compileOperators('', operators, context).map(({ operation }) => onValue(operation));
  return (value) => tests.every((test) => test(value));
};

const compileElementFilter = (filter: Record<string, unknown>, context: OperatorContext): ValueTest => {
  const condition = context.compileCondition(filter);
  return (value) => {
    const document = asDocument(value);
    return document !== undefined && condition.test(document);
  };
};

/** `$all`: every listed value is in the array (or is the value); `$elemMatch` entries each find their element. */
export const compileAll = (operand: unknown, context: OperatorContext, path: string): Operation => {
  if (!Array.isArray(operand)) return fail('BadValue', '$all needs an array');
  // Of nothing, nothing is: mongod matches no document.
  if (operand.length === 0) return { kind: 'test', test: () => false };
  const isElemMatch = (entry: unknown): boolean => isDocument(entry) && Object.keys(entry)[0] === '$elemMatch';
  const isOfElemMatch = isElemMatch(operand[0]);
  const inner = operand.map((entry): Operation => {
    if (isElemMatch(entry) !== isOfElemMatch) {
      return fail('BadValue', isOfElemMatch ? '$all/$elemMatch has to be consistent' : 'no $ expressions in $all');
    }
    if (!isOfElemMatch && isOperatorDocument(entry)) return fail('BadValue', 'no $ expressions in $all');
    const [compiled] = compileField(path, entry, context);
    return compiled?.operation ?? fail('BadValue', '$all/$elemMatch has to be consistent');
  });
  return { kind: 'all', inner };
};

import { toNumber } from '../../../bson/numbers.js';
import { isEqual } from '../../../bson/order.js';
import { isDocument, isInt32, isNumeric, typeOf } from '../../../bson/values.js';
import { fail } from '../../../errors.js';
import { parseSort, type SortField, sortElements } from '../../sort.js';
import { isTruthy } from '../../truthiness.js';
import { bind, compile, type OperatorCompiler, withNames } from '../compiler.js';
import { countOf, PICKS, type Pick } from '../pick.js';
import {
  ANY_NUMBER,
  defineNamed,
  defineOperator,
  ensureIndex,
  isNullish,
  type OperatorEntry,
  readParameters,
} from './define.js';
import { ensureName } from './variable.js';

const ensureArray = (value: unknown, code: number, message: string): unknown[] =>
  Array.isArray(value) ? value : fail(`Location${code}`, message);

/** An argument that must be an int32. The codes are those of a value that is no number, and of another number. */
function ensureInt32(value: unknown, codes: readonly [number, number], what: string): number {
  if (!isNumeric(value)) return fail(`Location${codes[0]}`, `${what} must be a numeric value, but is ${typeOf(value)}`);
  const number = toNumber(value);
  return isInt32(number + 0)
    ? number + 0
    : fail(`Location${codes[1]}`, `${what} must be representable as a 32-bit integer: ${number}`);
}

/** The name of the variable for an element. */
const elementName = (as: unknown): string => ensureName(as === undefined ? 'this' : typeof as === 'string' ? as : '');

const compileMap: OperatorCompiler = (operand, context) => {
  const parameters = readParameters('$map', operand, { required: ['input', 'in'], optional: ['as'] });
  const name = elementName(parameters.as);
  const input = compile(parameters.input, context);
  const body = compile(parameters.in, withNames(context, [name]));
  return function evaluateMap(scope) {
    const value = input(scope);
    if (isNullish(value)) return null;
    const array = ensureArray(value, 16883, `input to $map must be an array not ${typeOf(value)}`);
    return array.map((element) => body(bind(scope, name, element)) ?? null);
  };
};

const compileFilter: OperatorCompiler = (operand, context) => {
  const parameters = readParameters('$filter', operand, { required: ['input', 'cond'], optional: ['as', 'limit'] });
  const name = elementName(parameters.as);
  const input = compile(parameters.input, context);
  const condition = compile(parameters.cond, withNames(context, [name]));
  const limit = parameters.limit === undefined ? undefined : compile(parameters.limit, context);
  return function evaluateFilter(scope) {
    const value = input(scope);
    if (isNullish(value)) return null;
    const array = ensureArray(value, 28651, `input to $filter must be an array not ${typeOf(value)}`);
    const most = limit?.(scope) ?? null;
    const max = most === null ? Number.POSITIVE_INFINITY : ensureInt32(most, [327391, 327391], '$filter: limit');
    if (max < 1) return fail('Location327392', `$filter: limit must be greater than 0, found: ${max}`);
    const kept: unknown[] = [];
    for (const element of array) {
      if (kept.length >= max) break;
      if (isTruthy(condition(bind(scope, name, element)))) kept.push(element);
    }
    return kept;
  };
};

const compileReduce: OperatorCompiler = (operand, context) => {
  const parameters = readParameters('$reduce', operand, { required: ['input', 'initialValue', 'in'], optional: [] });
  const input = compile(parameters.input, context);
  const initial = compile(parameters.initialValue, context);
  const body = compile(parameters.in, withNames(context, ['value', 'this']));
  return function evaluateReduce(scope) {
    const value = input(scope);
    if (isNullish(value)) return null;
    const array = ensureArray(value, 40080, `$reduce requires that 'input' be an array, found: ${typeOf(value)}`);
    let result = initial(scope);
    for (const element of array) result = body(bind(bind(scope, 'value', result), 'this', element));
    return result;
  };
};

function elementAt(name: string, array: unknown, position: unknown): unknown {
  if (isNullish(array) || isNullish(position)) return null;
  const list = ensureArray(array, 28689, `${name}'s first argument must be an array, but is ${typeOf(array)}`);
  const index = ensureInt32(position, [28690, 28691], `${name}'s second argument`);
  return list[index < 0 ? list.length + index : index];
}

function indexOf(values: unknown[], collation: Parameters<typeof isEqual>[2]): unknown {
  const [array, wanted, from, to] = values;
  if (isNullish(array)) return null;
  const list = ensureArray(
    array,
    40090,
    `$indexOfArray requires an array as a first argument, found: ${typeOf(array)}`,
  );
  const start = values.length > 2 ? ensureIndex('$indexOfArray', from, 'starting index') : 0;
  const end = values.length > 3 ? ensureIndex('$indexOfArray', to, 'ending index') : list.length;
  for (let index = start; index < Math.min(end, list.length); index += 1) {
    if (isEqual(list[index], wanted, collation)) return index;
  }
  return -1;
}

function slice(values: unknown[]): unknown {
  const [array, first, second] = values;
  if (isNullish(array) || isNullish(first)) return null;
  const list = ensureArray(array, 28724, `First argument to $slice must be an array, but is of type: ${typeOf(array)}`);
  const start = ensureInt32(first, [28725, 28726], 'Second argument to $slice');
  if (values.length === 2) return start >= 0 ? list.slice(0, start) : list.slice(start);
  if (isNullish(second)) return null;
  const count = ensureInt32(second, [28727, 28728], 'Third argument to $slice');
  if (count <= 0) return fail('Location28729', `Third argument to $slice must be positive: ${count}`);
  const from = start < 0 ? Math.max(list.length + start, 0) : start;
  return list.slice(from, from + count);
}

const MAX_RANGE = 8_000_000;

function range(arguments_: unknown[]): unknown {
  const [start, end, step] = arguments_;
  const from = ensureInt32(start, [34443, 34444], "$range's starting value");
  const to = ensureInt32(end, [34445, 34446], "$range's ending value");
  const by = arguments_.length === 2 ? 1 : ensureInt32(step, [34447, 34448], "$range's step value");
  if (by === 0) return fail('Location34449', '$range requires a non-zero step value');
  if ((to - from) / by > MAX_RANGE) return fail('ExceededMemoryLimit', '$range would use too much memory');
  const values: number[] = [];
  for (let value = from; by > 0 ? value < to : value > to; value += by) values.push(value);
  return values;
}

const compileZip: OperatorCompiler = (operand, context) => {
  const { inputs, useLongestLength = false, defaults = [] } = readParameters('$zip', operand, ZIP);
  if (!Array.isArray(inputs)) return fail('Location34461', `inputs must be an array of expressions`);
  if (!Array.isArray(defaults)) return fail('Location34462', 'defaults must be an array of expressions');
  if (typeof useLongestLength !== 'boolean') return fail('Location34463', 'useLongestLength must be a bool');
  if (inputs.length === 0) return fail('Location34465', '$zip requires at least one input array');
  if (defaults.length > 0 && !useLongestLength)
    return fail('Location34466', 'cannot specify defaults unless useLongestLength is true');
  if (defaults.length > 0 && defaults.length !== inputs.length)
    return fail('Location34467', 'defaults and inputs must have the same length');
  const lists = inputs.map((input) => compile(input, context));
  const fillers = defaults.map((value) => compile(value, context));
  return function evaluateZip(scope) {
    const arrays: unknown[][] = [];
    for (const evaluate of lists) {
      const list = evaluate(scope);
      if (isNullish(list)) return null;
      arrays.push(ensureArray(list, 34468, `$zip found a non-array expression in input: ${typeOf(list)}`));
    }
    const lengths = arrays.map((array) => array.length);
    const length = useLongestLength ? Math.max(...lengths) : Math.min(...lengths);
    const values = fillers.map((evaluate) => evaluate(scope));
    return Array.from({ length }, (_, index) =>
      arrays.map((array, position) => (index < array.length ? array[index] : (values[position] ?? null))),
    );
  };
};

const ZIP: { required: ['inputs']; optional: ['useLongestLength', 'defaults'] } = {
  required: ['inputs'],
  optional: ['useLongestLength', 'defaults'],
};

const definePick = ([name, pick]: readonly [string, Pick]): OperatorEntry =>
  defineNamed(name, { required: ['input', 'n'], optional: [] }, ({ input, n }, { collation }) => {
    const count = countOf(n);
    return pick(ensureArray(input, 5788200, 'Input must be an array'), count, collation);
  });

function sortArray(input: unknown, sortBy: number | SortField[], collation: Parameters<typeof isEqual>[2]): unknown {
  if (isNullish(input)) return null;
  const array = ensureArray(
    input,
    2942504,
    `The input argument to $sortArray must be an array, but was of type: ${typeOf(input)}`,
  );
  return sortElements(array, sortBy, collation);
}

function sortOrderOf(sortBy: unknown): number | SortField[] {
  if (isDocument(sortBy)) return parseSort(sortBy);
  const direction = isNumeric(sortBy) ? toNumber(sortBy) : 0;
  return direction === 1 || direction === -1
    ? direction
    : fail('Location2942507', 'The $sortArray sortBy must be 1, -1, or a sort by fields');
}

const compileSortArray: OperatorCompiler = (operand, context) => {
  const { input, sortBy } = readParameters('$sortArray', operand, { required: ['input', 'sortBy'], optional: [] });
  const evaluate = compile(input, context);
  const order = sortOrderOf(sortBy);
  return (scope) => sortArray(evaluate(scope), order, context.collation);
};

/** Array operators. */
export const arrayOperators: readonly OperatorEntry[] = [
  ['$map', compileMap],
  ['$filter', compileFilter],
  ['$reduce', compileReduce],
  ['$sortArray', compileSortArray],
  defineOperator('$arrayElemAt', 2, ([array, index]) => elementAt('$arrayElemAt', array, index)),
  defineOperator('$first', 1, ([array]) => elementAt('$first', array, 0)),
  defineOperator('$last', 1, ([array]) => elementAt('$last', array, -1)),
  defineOperator('$concatArrays', ANY_NUMBER, (values) => {
    const lists: unknown[][] = [];
    for (const value of values) {
      if (isNullish(value)) return null;
      lists.push(ensureArray(value, 28664, `$concatArrays only supports arrays, not ${typeOf(value)}`));
    }
    return lists.flat();
  }),
  defineOperator('$in', 2, ([value, array], { collation }) => {
    if (!Array.isArray(array))
      return fail('Location40081', `$in requires an array as a second argument, found: ${typeOf(array)}`);
    return array.some((element) => isEqual(element, value, collation));
  }),
  defineOperator('$indexOfArray', { min: 2, max: 4 }, (values, { collation }) => indexOf(values, collation)),
  defineOperator('$isArray', 1, ([value]) => Array.isArray(value)),
  defineOperator('$size', 1, ([value]) =>
    Array.isArray(value)
      ? value.length
      : fail('Location17124', `The argument to $size must be an array, but was of type: ${typeOf(value)}`),
  ),
  defineOperator('$slice', { min: 2, max: 3 }, slice),
  defineOperator('$range', { min: 2, max: 3 }, range),
  defineOperator('$reverseArray', 1, ([value]) =>
    isNullish(value)
      ? null
      : [
          ...ensureArray(
            value,
            34435,
            `The argument to $reverseArray must be an array, but was of type: ${typeOf(value)}`,
          ),
        ].reverse(),
  ),
  ['$zip', compileZip],
  ...PICKS.map(definePick),
];

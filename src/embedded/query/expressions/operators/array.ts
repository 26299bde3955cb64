import { integerOf, toNumber } from '../../../bson/numbers.js';
import { compareValues, isEqual } from '../../../bson/order.js';
import { isDocument, isNumeric, typeOf } from '../../../bson/values.js';
import { fail } from '../../../errors.js';
import { sortElements } from '../../sort.js';
import { isTruthy } from '../../truthiness.js';
import { bind, compile, type OperatorCompiler, withNames } from '../compiler.js';
import { ANY_NUMBER, defineNamed, defineOperator, isNullish, type OperatorEntry, readParameters } from './define.js';
import { ensureName } from './variable.js';

const ensureArray = (value: unknown, code: number, message: string): unknown[] =>
  Array.isArray(value) ? value : fail(`Location${code}`, message);

const ensureInteger = (value: unknown, code: number, message: string): number =>
  integerOf(value) ?? fail(`Location${code}`, message);

const compileMap: OperatorCompiler = (operand, context) => {
  const parameters = readParameters('$map', operand, { required: ['input', 'in'], optional: ['as'] });
  const name = typeof parameters.as === 'string' ? ensureName(parameters.as) : 'this';
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
  const name = typeof parameters.as === 'string' ? ensureName(parameters.as) : 'this';
  const input = compile(parameters.input, context);
  const condition = compile(parameters.cond, withNames(context, [name]));
  const limit = parameters.limit === undefined ? undefined : compile(parameters.limit, context);
  return function evaluateFilter(scope) {
    const value = input(scope);
    if (isNullish(value)) return null;
    const array = ensureArray(value, 28651, `input to $filter must be an array not ${typeOf(value)}`);
    const most = limit?.(scope) ?? Number.POSITIVE_INFINITY;
    const max =
      most === Number.POSITIVE_INFINITY ? most : ensureInteger(most, 327391, '$filter: limit must be an integer');
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
  const index = ensureInteger(
    position,
    28690,
    `${name}'s second argument must be a numeric value, but is ${typeOf(position)}`,
  );
  return list[index < 0 ? list.length + index : index];
}

function indexOf([array, wanted, from, to]: unknown[], collation: Parameters<typeof isEqual>[2]): unknown {
  if (isNullish(array)) return null;
  const list = ensureArray(
    array,
    40090,
    `$indexOfArray requires an array as a first argument, found: ${typeOf(array)}`,
  );
  const start =
    from === undefined ? 0 : ensureInteger(from, 40096, '$indexOfArray requires an integral starting index');
  const end =
    to === undefined ? list.length : ensureInteger(to, 40096, '$indexOfArray requires an integral ending index');
  for (let index = start; index < Math.min(end, list.length); index += 1) {
    if (isEqual(list[index], wanted, collation)) return index;
  }
  return -1;
}

function slice([array, first, second]: unknown[]): unknown {
  if (isNullish(array) || isNullish(first) || second === null) return null;
  const list = ensureArray(array, 28724, `First argument to $slice must be an array, but is of type: ${typeOf(array)}`);
  const start = ensureInteger(first, 28725, 'Second argument to $slice must be a numeric value');
  if (second === undefined) return start >= 0 ? list.slice(0, start) : list.slice(start);
  const count = ensureInteger(second, 28727, 'Third argument to $slice must be numeric');
  if (count <= 0) return fail('Location28729', `Third argument to $slice must be positive: ${count}`);
  const from = start < 0 ? Math.max(list.length + start, 0) : start;
  return list.slice(from, from + count);
}

const MAX_RANGE = 8_000_000;

function range([start, end, step]: unknown[]): unknown {
  const from = ensureInteger(
    start,
    34443,
    '$range requires a starting value that can be represented as a 32-bit integer',
  );
  const to = ensureInteger(end, 34445, '$range requires an ending value that can be represented as a 32-bit integer');
  const by = step === undefined ? 1 : ensureInteger(step, 34447, '$range requires a step that is a 32-bit integer');
  if (by === 0) return fail('Location34449', '$range requires a non-zero step value');
  if ((to - from) / by > MAX_RANGE) return fail('ExceededMemoryLimit', '$range would use too much memory');
  const values: number[] = [];
  for (let value = from; by > 0 ? value < to : value > to; value += by) values.push(value);
  return values;
}

function zip({ inputs, useLongestLength, defaults }: Record<string, unknown>): unknown {
  const lists = ensureArray(inputs, 34461, 'inputs must be an array of expressions');
  if (lists.some(isNullish)) return null;
  const arrays = lists.map((list) =>
    ensureArray(list, 34468, `$zip found a non-array expression in input: ${typeOf(list)}`),
  );
  const lengths = arrays.map((array) => array.length);
  const length = useLongestLength === true ? Math.max(...lengths) : Math.min(...lengths);
  const fillers = Array.isArray(defaults) ? defaults : [];
  return Array.from({ length }, (_, index) =>
    arrays.map((array, position) => array[index] ?? fillers[position] ?? null),
  );
}

function createPick(name: string, pick: (array: unknown[], count: number) => unknown[]) {
  return function pickElements({ input, n }: Record<string, unknown>): unknown {
    if (isNullish(input)) return null;
    const count = ensureInteger(n, 5787903, `${name}: 'n' must be an integer`);
    if (count <= 0) return fail('Location5787908', `'n' must be greater than 0, found ${count}`);
    return pick(ensureArray(input, 5788200, `${name}: 'input' must be an array`), count);
  };
}

function sortArray(input: unknown, sortBy: unknown, collation: Parameters<typeof isEqual>[2]): unknown {
  if (isNullish(input)) return null;
  const array = ensureArray(
    input,
    2942504,
    `The input argument to $sortArray must be an array, but was of type: ${typeOf(input)}`,
  );
  if (!isNumeric(sortBy) && !isDocument(sortBy)) return fail('Location2942505', 'The $sortArray argument is invalid');
  return sortElements(array, isDocument(sortBy) ? sortBy : toNumber(sortBy), collation);
}

const compileSortArray: OperatorCompiler = (operand, context) => {
  const { input, sortBy } = readParameters('$sortArray', operand, { required: ['input', 'sortBy'], optional: [] });
  const evaluate = compile(input, context);
  return (scope) => sortArray(evaluate(scope), sortBy, context.collation);
};

const INPUT_AND_N: { required: ['input', 'n']; optional: [] } = { required: ['input', 'n'], optional: [] };

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
    if (values.some(isNullish)) return null;
    return values.flatMap((value) =>
      ensureArray(value, 28664, `$concatArrays only supports arrays, not ${typeOf(value)}`),
    );
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
  defineNamed('$zip', { required: ['inputs'], optional: ['useLongestLength', 'defaults'] }, zip),
  defineNamed(
    '$firstN',
    INPUT_AND_N,
    createPick('$firstN', (array, count) => array.slice(0, count)),
  ),
  defineNamed(
    '$lastN',
    INPUT_AND_N,
    createPick('$lastN', (array, count) => array.slice(-count)),
  ),
  defineNamed(
    '$minN',
    INPUT_AND_N,
    createPick('$minN', (array, count) => sorted(array).slice(0, count)),
  ),
  defineNamed(
    '$maxN',
    INPUT_AND_N,
    createPick('$maxN', (array, count) => sorted(array).reverse().slice(0, count)),
  ),
];

const sorted = (array: unknown[]): unknown[] =>
  array.filter((value) => !isNullish(value)).sort((a, b) => compareValues(a, b));

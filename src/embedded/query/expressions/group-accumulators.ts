import { type Document, isDocument } from '../../bson/values.js';
import { fail } from '../../errors.js';
import { sortDocuments } from '../sort.js';
import { ACCUMULATORS } from './accumulators.js';
import { compile, type Evaluate, type ExpressionContext, type Scope, scopeOf } from './compiler.js';
import { readParameters } from './operators/define.js';
import { readPercentiles } from './percentiles.js';
import { countOf, PICKS, type Pick } from './pick.js';

/** An accumulator of a group, with documents as input. */
export interface GroupAccumulator {
  add(scope: Scope): void;
  result(): unknown;
}

/** Creates the accumulator of an output field for a group. */
export type GroupAccumulatorFactory = () => GroupAccumulator;

/**
 * Compiles an accumulator of `$group`, `$bucket` or `$setWindowFields`: `{ $sum: '$n' }`.
 * @throws DatabaseError Location15952 naming an accumulator that is unknown
 */
export function compileGroupAccumulator(
  field: string,
  specification: unknown,
  context: ExpressionContext,
): GroupAccumulatorFactory {
  if (!isDocument(specification)) return fail('Location40234', `The field '${field}' must be an accumulator object`);
  const [name, ...others] = Object.keys(specification);
  if (name === undefined || others.length > 0) {
    return fail('Location40238', `The field '${field}' must specify one accumulator`);
  }
  const operand = specification[name];
  if (name === '$count') return compileCount(operand);
  const parametric = PARAMETRIC.get(name);
  if (parametric !== undefined) return parametric(operand, context);
  const factory = ACCUMULATORS.get(name);
  if (factory === undefined) return fail('Location15952', `unknown group operator '${name}'`);
  const evaluate = compile(operand, context);
  return function createGroupAccumulator() {
    const accumulator = factory(context.collation);
    return { add: (scope) => accumulator.add(evaluate(scope)), result: () => accumulator.result() };
  };
}

function compileCount(operand: unknown): GroupAccumulatorFactory {
  if (!isDocument(operand) || Object.keys(operand).length > 0)
    return fail('TypeMismatch', '$count takes no arguments, i.e. $count:{}');
  const sum = ACCUMULATORS.get('$sum');
  return function evaluateCount() {
    const accumulator = sum?.(undefined);
    return { add: () => accumulator?.add(1), result: () => accumulator?.result() };
  };
}

type ParametricCompiler = (operand: unknown, context: ExpressionContext) => GroupAccumulatorFactory;

/** Collects all values and computes the result at the end. */
function gather(evaluate: Evaluate, finish: (values: unknown[], last: Scope) => unknown): GroupAccumulatorFactory {
  return function createGatherer() {
    const values: unknown[] = [];
    // A window can be empty.
    let last: Scope = scopeOf({});
    return {
      add: (scope) => {
        last = scope;
        values.push(evaluate(scope) ?? null);
      },
      result: () => finish(values, last),
    };
  };
}

const compilePick =
  (name: string, pick: Pick): ParametricCompiler =>
  (operand, context) => {
    const { input, n } = readParameters(name, operand, { required: ['input', 'n'], optional: [] });
    const count = compile(n, context);
    return gather(compile(input, context), (values, last) => pick(values, countOf(count(last)), context.collation));
  };

function compileTop(name: string, end: 'top' | 'bottom', hasCount: boolean): ParametricCompiler {
  return function compileOperand(operand, context) {
    const { output, sortBy, ...rest } = readParameters(name, operand, {
      required: hasCount ? ['output', 'sortBy', 'n'] : ['output', 'sortBy'],
      optional: ['n'],
    });
    if (!isDocument(sortBy)) return fail('Location5788005', `${name} requires 'sortBy' to be an object`);
    const evaluate = compile(output, context);
    const count = compile(rest['n'] ?? 1, context);
    return gather(
      (scope) => scope,
      (scopes, last) => {
        const byDocument = new Map<Document, Scope>();
        for (const scope of scopes as Scope[]) byDocument.set({ ...(scope.current as Document) }, scope);
        const sorted = sortDocuments(byDocument.keys(), sortBy, context.collation);
        const wanted = hasCount ? countOf(count(last)) : 1;
        const chosen = end === 'top' ? sorted.slice(0, wanted) : sorted.slice(-wanted);
        const values = chosen.map((document) => evaluate(byDocument.get(document) ?? scopeOf(document)) ?? null);
        return hasCount ? values : values[0];
      },
    );
  };
}

const compilePercentile = (name: '$percentile' | '$median'): ParametricCompiler =>
  function compileOperand(operand, context) {
    const { input, pick } = readPercentiles(name, operand);
    return gather(compile(input, context), pick);
  };

const PARAMETRIC: ReadonlyMap<string, ParametricCompiler> = new Map([
  ...PICKS.map(([name, pick]) => [name, compilePick(name, pick)] as const),
  ['$top', compileTop('$top', 'top', false)],
  ['$topN', compileTop('$topN', 'top', true)],
  ['$bottom', compileTop('$bottom', 'bottom', false)],
  ['$bottomN', compileTop('$bottomN', 'bottom', true)],
  ['$percentile', compilePercentile('$percentile')],
  ['$median', compilePercentile('$median')],
]);

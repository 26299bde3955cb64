import { ACCUMULATORS } from '../accumulators.js';
import { compile, type ExpressionContext } from '../compiler.js';
import { readPercentiles } from '../percentiles.js';
import type { OperatorEntry } from './define.js';

/** Defines an accumulator as an expression over its arguments, or over the elements of its only argument. */
const define = (name: string): OperatorEntry => [
  name,
  (operand, context: ExpressionContext) => {
    const factory = ACCUMULATORS.get(name);
    const isList = Array.isArray(operand) && operand.length !== 1;
    const only = Array.isArray(operand) && operand.length === 1 ? operand[0] : operand;
    const evaluate = compile(isList ? operand : only, context);
    return function evaluateSummary(scope) {
      const value = evaluate(scope);
      const accumulator = factory?.(context.collation);
      for (const element of Array.isArray(value) ? value : [value]) accumulator?.add(element);
      return accumulator?.result();
    };
  },
];

/** Defines `$percentile` or `$median` over the elements of an array, or over one value. */
const definePercentile = (name: '$percentile' | '$median'): OperatorEntry => [
  name,
  (operand, context: ExpressionContext) => {
    const { input, pick } = readPercentiles(name, operand);
    const evaluate = compile(input, context);
    return function evaluatePercentile(scope) {
      const value = evaluate(scope);
      return pick(Array.isArray(value) ? value : [value]);
    };
  },
];

/** Accumulators as expressions: sums, averages, extremes and deviations within one document. */
export const summaryOperators: readonly OperatorEntry[] = [
  ...['$sum', '$avg', '$min', '$max', '$stdDevPop', '$stdDevSamp'].map(define),
  definePercentile('$percentile'),
  definePercentile('$median'),
];

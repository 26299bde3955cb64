import { toNumber } from '../../bson/numbers.js';
import { type Document, isNumeric, toDouble } from '../../bson/values.js';
import { fail } from '../../errors.js';
import { readParameters } from './operators/define.js';

/** A read `$percentile` or `$median`. */
interface Percentiles {
  /** The expression of the values. */
  readonly input: unknown;
  /** The percentiles of the numbers among the values; null without numbers. */
  readonly pick: (values: readonly unknown[]) => unknown;
}

/**
 * Reads the operand of `$percentile` or `$median`.
 * @throws DatabaseError BadValue for another method, Location7750300 and Location7750303 for invalid percentiles
 */
export function readPercentiles(name: '$percentile' | '$median', operand: unknown): Percentiles {
  const isMedian = name === '$median';
  const { input, method, p } = readParameters(name, operand, {
    required: isMedian ? ['input', 'method'] : ['input', 'method', 'p'],
    optional: ['p'],
  }) as Document;
  if (method !== 'approximate') fail('BadValue', "Currently only 'approximate' can be used as percentile 'method'.");
  const ranks = isMedian ? [0.5] : toRanks(p);
  return {
    input,
    pick: (values) => {
      const numbers = values
        .filter(isNumeric)
        .map(toNumber)
        .sort((a, b) => a - b);
      const at = (rank: number): unknown => {
        const value = numbers[Math.max(Math.ceil(rank * numbers.length) - 1, 0)];
        return value === undefined ? null : toDouble(value);
      };
      return isMedian ? at(0.5) : ranks.map(at);
    },
  };
}

function toRanks(p: unknown): number[] {
  if (!Array.isArray(p) || p.length === 0) {
    return fail('Location7750300', "The $percentile 'p' field must be an array");
  }
  return p.map((rank) => {
    const share = isNumeric(rank) ? toNumber(rank) : Number.NaN;
    if (share >= 0 && share <= 1) return share;
    return fail('Location7750303', "The $percentile 'p' field must be an array of numbers in the range [0.0, 1.0]");
  });
}

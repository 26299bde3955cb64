import { compareValues } from '../../../bson/order.js';
import { defineOperator, type OperatorEntry } from './define.js';

const define = (name: string, holds: (order: number) => unknown): OperatorEntry =>
  defineOperator(name, 2, ([left, right], { collation }) => holds(compareValues(left, right, collation)));

/** Comparison operators on values of any type, in MongoDB's total order. */
export const comparisonOperators: readonly OperatorEntry[] = [
  define('$eq', (order) => order === 0),
  define('$ne', (order) => order !== 0),
  define('$gt', (order) => order > 0),
  define('$gte', (order) => order >= 0),
  define('$lt', (order) => order < 0),
  define('$lte', (order) => order <= 0),
  define('$cmp', Math.sign),
];

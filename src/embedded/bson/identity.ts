import { Decimal128, Double } from 'bson';
import { compareValues } from './order.js';
import { isDocument, typeOf } from './values.js';

/**
 * Whether two values have the same bytes as BSON. This is stricter than equality, which holds for 1 and 1.0. An update
 * that replaces a value by an identical one changes nothing.
 */
export function isIdentical(left: unknown, right: unknown): boolean {
  if (left === right) return left !== 0 || Object.is(left, right);
  if (typeof left !== 'object' || typeof right !== 'object' || left === null || right === null) {
    return Number.isNaN(left) && Number.isNaN(right);
  }
  if (Array.isArray(left)) {
    return (
      Array.isArray(right) &&
      left.length === right.length &&
      left.every((value, index) => isIdentical(value, right[index]))
    );
  }
  if (isDocument(left)) {
    if (!isDocument(right)) return false;
    const leftKeys = Object.keys(left);
    const rightKeys = Object.keys(right);
    return (
      leftKeys.length === rightKeys.length &&
      leftKeys.every((key, index) => key === rightKeys[index] && isIdentical(left[key], right[key]))
    );
  }
  if (left instanceof Double && right instanceof Double) return Object.is(left.value, right.value);
  if (left instanceof Decimal128 && right instanceof Decimal128) return Buffer.compare(left.bytes, right.bytes) === 0;
  return typeOf(left) === typeOf(right) && compareValues(left, right) === 0;
}

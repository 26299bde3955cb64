import { toNumber } from '../bson/numbers.js';
import { isNumeric } from '../bson/values.js';

/** Whether a value counts as true in MongoDB: false, null, missing and zero do not. */
export function isTruthy(value: unknown): boolean {
  if (isNumeric(value)) return toNumber(value) !== 0;
  return value !== false && value !== null && value !== undefined;
}

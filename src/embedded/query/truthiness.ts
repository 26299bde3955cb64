import { toNumber } from '../bson/numbers.js';
import { isNumeric } from '../bson/values.js';

/** What counts as true where MongoDB takes a flag: everything but false, null, missing and zero. */
export function isTruthy(value: unknown): boolean {
  if (isNumeric(value)) return toNumber(value) !== 0;
  return value !== false && value !== null && value !== undefined;
}

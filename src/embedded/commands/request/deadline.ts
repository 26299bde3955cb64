import { toNumber } from '../../bson/numbers.js';
import { isNumeric } from '../../bson/values.js';
import { fail } from '../../errors.js';

/** The time limit of a command. */
export interface Deadline {
  /** By `performance.now()`, which goes on evenly when the system clock is set; infinity without a limit. */
  readonly at: number;
  /** @throws DatabaseError MaxTimeMSExpired after the limit */
  check(): void;
}

/** The deadline of commands without `maxTimeMS`. */
export const NO_DEADLINE: Deadline = { at: Number.POSITIVE_INFINITY, check: () => {} };

const MAX_TIME_MS = 2 ** 31 - 1;

/**
 * The deadline that the `maxTimeMS` of a command sets.
 * @throws DatabaseError BadValue unless it is an integer from 0 to the maximum of an int32. As in MongoDB, an aggregate has
 *   codes of its own: TypeMismatch for another type, Location51024 below 0
 */
export function createDeadline(command: string, given: unknown): Deadline {
  const isAggregate = command === 'aggregate';
  if (!isNumeric(given)) return fail(isAggregate ? 'TypeMismatch' : 'BadValue', 'maxTimeMS must be a number');
  const maxTimeMs = toNumber(given);
  if (isAggregate && maxTimeMs < 0) {
    fail('Location51024', `BSON field 'maxTimeMS' value must be >= 0, actual value '${maxTimeMs}'`);
  }
  if (!(maxTimeMs >= 0 && maxTimeMs <= MAX_TIME_MS)) {
    fail('BadValue', `${maxTimeMs} value for maxTimeMS is out of range [0, ${MAX_TIME_MS}]`);
  }
  if (!Number.isInteger(maxTimeMs)) fail('BadValue', 'maxTimeMS has non-integral value');
  if (maxTimeMs === 0) return NO_DEADLINE;
  const at = performance.now() + maxTimeMs;
  return {
    at,
    check: () => {
      if (performance.now() >= at) fail('MaxTimeMSExpired', 'operation exceeded time limit');
    },
  };
}

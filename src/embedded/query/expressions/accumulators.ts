import { Decimal128, Long } from 'bson';
import type { Collation } from '../../bson/collation.js';
import { divideDecimals } from '../../bson/decimals.js';
import { toKeyString } from '../../bson/key-string.js';
import { calculate, type Numeric, numericTypeOf, toBigInt, toNumber } from '../../bson/numbers.js';
import { compareValues } from '../../bson/order.js';
import { type Document, isDocument, isInt32, isNumeric, setField, toDouble, typeOf } from '../../bson/values.js';
import { fail } from '../../errors.js';

/** Combines the values of a group, or of an array, into one value. */
interface Accumulator {
  /** @param value - `undefined` when it is missing */
  add(value: unknown): void;
  result(): unknown;
}

/** Creates the accumulator of a group. */
export type AccumulatorFactory = (collation: Collation | undefined) => Accumulator;

/** A sum that is as exact as the types allow: integers as integers, doubles with a compensation of rounding errors. */
class NumberSum {
  #integers = 0;
  #bigIntegers = 0n;
  #doubles = 0;
  #carry = 0;
  #decimal: Decimal128 | undefined;
  #hasLong = false;
  #hasDouble = false;
  count = 0;

  add(value: Numeric): void {
    this.count += 1;
    switch (numericTypeOf(value)) {
      case 'int':
        this.#addInteger(toNumber(value));
        return;
      case 'long':
        this.#hasLong = true;
        this.#bigIntegers += toBigInt(value);
        return;
      case 'double':
        this.#hasDouble = true;
        this.#addDouble(toNumber(value));
        return;
      default:
        this.#decimal = calculate('add', this.#decimal ?? 0, value) as Decimal128;
    }
  }

  #addInteger(value: number): void {
    this.#integers += value;
    if (Number.isSafeInteger(this.#integers)) return;
    this.#bigIntegers += BigInt(this.#integers);
    this.#integers = 0;
  }

  #addDouble(value: number): void {
    const sum = this.#doubles + value;
    if (Number.isFinite(sum)) {
      this.#carry +=
        Math.abs(this.#doubles) >= Math.abs(value) ? this.#doubles - sum + value : value - sum + this.#doubles;
    }
    this.#doubles = sum;
  }

  result(): Numeric {
    const integers = this.#bigIntegers + BigInt(this.#integers);
    if (this.#decimal !== undefined) {
      const withDoubles = calculate('add', this.#decimal, this.#doubles + this.#carry) ?? this.#decimal;
      return integers === 0n ? withDoubles : (calculate('add', withDoubles, toInteger(integers)) ?? withDoubles);
    }
    if (this.#hasDouble) return toDouble(this.#doubles + (this.#carry + Number(integers)));
    const isOutOfRange = integers !== BigInt.asIntN(64, integers);
    if (isOutOfRange) return toDouble(Number(integers));
    return this.#hasLong ? Long.fromBigInt(integers) : toInteger(integers);
  }

  average(): unknown {
    if (this.count === 0) return null;
    const sum = this.result();
    if (sum instanceof Decimal128) return divideDecimals(sum, this.count);
    return toDouble(toNumber(sum) / this.count);
  }
}

const toInteger = (value: bigint): Numeric => (isInt32(Number(value)) ? Number(value) : Long.fromBigInt(value));

const sum: AccumulatorFactory = () => {
  const total = new NumberSum();
  return { add: (value) => isNumeric(value) && total.add(value), result: () => total.result() };
};

const average: AccumulatorFactory = () => {
  const total = new NumberSum();
  return { add: (value) => isNumeric(value) && total.add(value), result: () => total.average() };
};

function extreme(direction: 1 | -1): AccumulatorFactory {
  return function createExtreme(collation) {
    let best: unknown;
    return {
      add: (value) => {
        if (value === undefined || value === null) return;
        if (best === undefined || direction * compareValues(value, best, collation) > 0) best = value;
      },
      result: () => best ?? null,
    };
  };
}

const first: AccumulatorFactory = () => {
  let value: unknown;
  let isEmpty = true;
  return {
    add: (candidate) => {
      if (isEmpty) value = candidate;
      isEmpty = false;
    },
    result: () => value ?? null,
  };
};

const last: AccumulatorFactory = () => {
  let value: unknown;
  return {
    add: (candidate) => {
      value = candidate;
    },
    result: () => value ?? null,
  };
};

const push: AccumulatorFactory = () => {
  const values: unknown[] = [];
  return { add: (value) => value !== undefined && values.push(value), result: () => values };
};

const addToSet: AccumulatorFactory = (collation) => {
  const values = new Map<string, unknown>();
  return {
    add: (value) => {
      if (value === undefined) return;
      const key = toKeyString(value, collation);
      if (!values.has(key)) values.set(key, value);
    },
    result: () => [...values.values()],
  };
};

/** Standard deviation by Welford's algorithm, which stays precise with large means. */
function deviation(isSample: boolean): AccumulatorFactory {
  return function createDeviation() {
    let count = 0;
    let mean = 0;
    let squares = 0;
    return {
      add: (value) => {
        if (!isNumeric(value)) return;
        const number = toNumber(value);
        count += 1;
        const delta = number - mean;
        mean += delta / count;
        squares += delta * (number - mean);
      },
      result: () => {
        const divisor = isSample ? count - 1 : count;
        return divisor < 1 ? null : toDouble(Math.sqrt(squares / divisor));
      },
    };
  };
}

const mergeObjects: AccumulatorFactory = () => {
  const merged: Document = {};
  return {
    add: (value) => {
      if (value === undefined || value === null) return;
      if (!isDocument(value)) {
        fail(
          'Location40400',
          `$mergeObjects requires object inputs, but input ${String(value)} is of type ${typeOf(value)}`,
        );
      } else {
        for (const [key, field] of Object.entries(value)) setField(merged, key, field);
      }
    },
    result: () => merged,
  };
};

const concatArrays: AccumulatorFactory = () => {
  const values: unknown[] = [];
  return {
    add: (value) => {
      if (value === undefined) return;
      if (!Array.isArray(value)) fail('TypeMismatch', `$concatArrays requires array inputs, but got ${typeOf(value)}`);
      else for (const element of value) values.push(element);
    },
    result: () => values,
  };
};

const setUnion: AccumulatorFactory = (collation) => {
  const set = addToSet(collation);
  return {
    add: (value) => {
      if (value === undefined) return;
      if (!Array.isArray(value)) fail('TypeMismatch', `$setUnion requires array inputs, but got ${typeOf(value)}`);
      else for (const element of value) set.add(element);
    },
    result: () => set.result(),
  };
};

/** The accumulators with one input value per document. */
export const ACCUMULATORS: ReadonlyMap<string, AccumulatorFactory> = new Map([
  ['$sum', sum],
  ['$avg', average],
  ['$min', extreme(-1)],
  ['$max', extreme(1)],
  ['$first', first],
  ['$last', last],
  ['$push', push],
  ['$addToSet', addToSet],
  ['$stdDevPop', deviation(false)],
  ['$stdDevSamp', deviation(true)],
  ['$mergeObjects', mergeObjects],
  ['$concatArrays', concatArrays],
  ['$setUnion', setUnion],
]);

import { Long, Timestamp } from 'bson';
import { describe } from '../../bson/describe.js';
import { isIdentical } from '../../bson/identity.js';
import { type Arithmetic, calculate, type Numeric, numericTypeOf, toBigInt } from '../../bson/numbers.js';
import { compareValues } from '../../bson/order.js';
import { isDocument, isNumeric, typeOf } from '../../bson/values.js';
import { fail } from '../../errors.js';
import type { ModifierCompiler, Place } from './modifier.js';

const idOf = ({ document }: Place): string => `{_id: ${describe(document['_id'])}}`;

const lastName = (path: string): string => path.slice(path.lastIndexOf('.') + 1);

const compileSet: ModifierCompiler = (argument) => ({
  creates: true,
  change: (value) => (isIdentical(value, argument) ? value : argument),
});

const compileUnset: ModifierCompiler = () => ({ creates: false, change: () => undefined });

function compileArithmetic(operator: '$inc' | '$mul'): ModifierCompiler {
  return function compileArgument(argument, path) {
    if (!isNumeric(argument)) {
      const verb = operator === '$inc' ? 'increment' : 'multiply';
      return fail('TypeMismatch', `Cannot ${verb} with non-numeric argument: {${path}: ${describe(argument)}}`);
    }
    const operation: Arithmetic = operator === '$inc' ? 'add' : 'multiply';
    return {
      creates: true,
      change: (value, place) => {
        if (value === undefined) return operator === '$inc' ? argument : timesZero(argument);
        if (!isNumeric(value)) {
          return fail(
            'TypeMismatch',
            `Cannot apply ${operator} to a value of non-numeric type. ${idOf(place)} has the field '${lastName(place.path)}' of non-numeric type ${typeOf(value)}`,
          );
        }
        const result = calculate(operation, value, argument);
        if (result === undefined) {
          return fail(
            'BadValue',
            `Failed to apply ${operator} operations to current value ((NumberLong)${String(value)}) for document ${idOf(place)}`,
          );
        }
        return isIdentical(result, value) ? value : result;
      },
    };
  };
}

/** A missing field multiplies as zero: the result has the type of the factor, its sign and its scale. */
const timesZero = (factor: Numeric): unknown => calculate('multiply', factor, 0);

function compileExtreme(direction: 1 | -1): ModifierCompiler {
  return (argument, _path, { collation }) => ({
    creates: true,
    change: (value) =>
      value === undefined || direction * compareValues(argument, value, collation) > 0 ? argument : value,
  });
}

const compileCurrentDate: ModifierCompiler = (argument, _path, { now }) => ({
  creates: true,
  change:
    dateTypeOf(argument) === 'date' ? () => now : () => new Timestamp({ t: Math.floor(now.getTime() / 1000), i: 1 }),
});

function dateTypeOf(argument: unknown): 'date' | 'timestamp' {
  if (typeof argument === 'boolean') return 'date';
  if (!isDocument(argument)) {
    return fail(
      'BadValue',
      `${typeOf(argument)} is not valid type for $currentDate. Please use a boolean ('true') or a $type expression ({$type: 'timestamp/date'}).`,
    );
  }
  for (const key of Object.keys(argument))
    if (key !== '$type') fail('BadValue', `Unrecognized $currentDate option: ${key}`);
  const type = argument['$type'];
  if (type === 'date' || type === 'timestamp') return type;
  return fail(
    'BadValue',
    "The '$type' string field is required to be 'date' or 'timestamp': {$currentDate: {field : {$type: 'date'}}}",
  );
}

const BITWISE: ReadonlyMap<string, (left: bigint, right: bigint) => bigint> = new Map([
  ['and', (left: bigint, right: bigint) => left & right],
  ['or', (left: bigint, right: bigint) => left | right],
  ['xor', (left: bigint, right: bigint) => left ^ right],
]);

const compileBit: ModifierCompiler = (argument, path) => {
  if (!isDocument(argument)) {
    return fail(
      'BadValue',
      `The $bit modifier is not compatible with a ${typeOf(argument)}. You must pass in an embedded document: {$bit: {field: {and/or/xor: #}}`,
    );
  }
  const steps = Object.entries(argument).map(([name, operand]) => {
    const combine = BITWISE.get(name);
    if (combine === undefined) {
      return fail(
        'BadValue',
        `The $bit modifier only supports 'and', 'or', and 'xor', not '${name}' which is an unknown operator: {${path}: ${describe(argument)}}`,
      );
    }
    if (!isInteger(operand)) {
      return fail(
        'BadValue',
        `The $bit modifier field must be an Integer(32/64 bit); a '${typeOf(operand)}' is not supported here: {${name}: ${describe(operand)}}`,
      );
    }
    return { combine, operand };
  });
  if (steps.length === 0)
    return fail(
      'BadValue',
      'You must pass in at least one bitwise operation. The format is: {$bit: {field: {and/or/xor: #}}',
    );
  return {
    creates: true,
    change: (value, place) => {
      const start = value === undefined ? 0 : value;
      if (!isInteger(start)) {
        return fail(
          'BadValue',
          `Cannot apply $bit to a value of non-integral type.${idOf(place)} has the field ${lastName(place.path)} of non-integer type ${typeOf(value)}`,
        );
      }
      const isLong = start instanceof Long || steps.some(({ operand }) => operand instanceof Long);
      const bits = steps.reduce((result, { combine, operand }) => combine(result, toBigInt(operand)), toBigInt(start));
      const result = isLong ? Long.fromBigInt(bits) : Number(bits);
      return isIdentical(result, value) ? value : result;
    },
  };
};

function isInteger(value: unknown): value is Numeric {
  if (!isNumeric(value)) return false;
  const type = numericTypeOf(value);
  return type === 'int' || type === 'long';
}

/** The update operators on the value of a field. */
export const FIELD_MODIFIERS: readonly (readonly [string, ModifierCompiler])[] = [
  ['$set', compileSet],
  ['$setOnInsert', compileSet],
  ['$unset', compileUnset],
  ['$inc', compileArithmetic('$inc')],
  ['$mul', compileArithmetic('$mul')],
  ['$min', compileExtreme(-1)],
  ['$max', compileExtreme(1)],
  ['$currentDate', compileCurrentDate],
  ['$bit', compileBit],
];

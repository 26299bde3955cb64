import { Long, Timestamp } from 'bson';
import { toNumber } from '../../../bson/numbers.js';
import { byteLengthOf } from '../../../bson/size.js';
import { BSON_TYPE_NUMBERS, isDocument, isNumeric, typeOf } from '../../../bson/values.js';
import { fail } from '../../../errors.js';
import { compile, type OperatorCompiler } from '../compiler.js';
import { convert, isConversionFailure } from './convert.js';
import { defineOperator, isNullish, type OperatorEntry, readParameters } from './define.js';

/** The type name of the `to` of `$convert`; `undefined` when it is null. */
function targetOf(to: unknown): string | undefined {
  const type = isDocument(to) ? to['type'] : to;
  if (isNullish(type)) return undefined;
  if (typeof type === 'string') {
    return Object.hasOwn(BSON_TYPE_NUMBERS, type) ? type : fail('BadValue', `Unknown type name: ${type}`);
  }
  if (!isNumeric(type))
    return fail('FailedToParse', `$convert's 'to' argument must be a string or number, but is ${typeOf(type)}`);
  const found = Object.entries(BSON_TYPE_NUMBERS).find(([, number]) => number === toNumber(type));
  return (
    found?.[0] ??
    fail('FailedToParse', `In $convert, numeric value for 'to' does not correspond to a BSON type: ${toNumber(type)}`)
  );
}

const compileConvert: OperatorCompiler = (operand, context) => {
  const parameters = readParameters('$convert', operand, {
    required: ['input', 'to'],
    optional: ['onError', 'onNull', 'format', 'byteOrder'],
  });
  const input = compile(parameters.input, context);
  const to = compile(parameters.to, context);
  const onNull = compile(parameters.onNull ?? null, context);
  const hasOnError = 'onError' in parameters;
  const onError = compile(parameters.onError, context);
  return function evaluateConvert(scope) {
    const type = targetOf(to(scope));
    const value = input(scope);
    if (isNullish(value)) return onNull(scope);
    if (type === undefined) return null;
    try {
      return convert(value, type);
    } catch (error) {
      if (hasOnError && isConversionFailure(error)) return onError(scope);
      throw error;
    }
  };
};

const shorthand = (name: string, type: string): OperatorEntry =>
  defineOperator(name, 1, ([value]) => (isNullish(value) ? null : convert(value, type)));

/** Defines the seconds or the increment of a timestamp, as a long. */
const defineTimestampPart = (name: string, code: number, part: (value: Timestamp) => number): OperatorEntry =>
  defineOperator(name, 1, ([value]) => {
    if (isNullish(value)) return null;
    if (value instanceof Timestamp) return Long.fromNumber(part(value) >>> 0);
    return fail(`Location${code}`, `Argument to ${name} must be a timestamp, but is ${typeOf(value)}`);
  });

/** Type operators. */
export const typeOperators: readonly OperatorEntry[] = [
  defineOperator('$type', 1, ([value]) => typeOf(value)),
  defineOperator('$isNumber', 1, ([value]) => isNumeric(value)),
  defineOperator('$bsonSize', 1, ([value]) => {
    if (isNullish(value)) return null;
    return isDocument(value) ? byteLengthOf(value) : fail('Location31393', '$bsonSize requires a document input');
  }),
  defineTimestampPart('$tsSecond', 5687301, ({ high }) => high),
  defineTimestampPart('$tsIncrement', 5687302, ({ low }) => low),
  ['$convert', compileConvert],
  shorthand('$toString', 'string'),
  shorthand('$toInt', 'int'),
  shorthand('$toLong', 'long'),
  shorthand('$toDouble', 'double'),
  shorthand('$toDecimal', 'decimal'),
  shorthand('$toBool', 'bool'),
  shorthand('$toDate', 'date'),
  shorthand('$toObjectId', 'objectId'),
  shorthand('$toUUID', 'binData'),
];

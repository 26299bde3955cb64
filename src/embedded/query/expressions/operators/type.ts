import { toNumber } from '../../../bson/numbers.js';
import { BSON_TYPE_NUMBERS, isDocument, isNumeric, typeOf } from '../../../bson/values.js';
import { fail } from '../../../errors.js';
import { compile, type OperatorCompiler } from '../compiler.js';
import { convert, isConversionFailure } from './convert.js';
import { defineOperator, isNullish, type OperatorEntry, readParameters } from './define.js';

function typeName(value: unknown): string {
  if (typeof value === 'string') return Object.hasOwn(BSON_TYPE_NUMBERS, value) ? value : unknownType(value);
  if (isNumeric(value)) {
    const found = Object.entries(BSON_TYPE_NUMBERS).find(([, number]) => number === toNumber(value));
    if (found !== undefined) return found[0];
  }
  if (isDocument(value)) return typeName(value['type']);
  return unknownType(value);
}

const unknownType = (value: unknown): never => fail('BadValue', `Unknown type name: ${String(value)}`);

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
    const value = input(scope);
    if (isNullish(value)) return onNull(scope);
    const type = to(scope);
    if (isNullish(type)) return null;
    try {
      return convert(value, typeName(type));
    } catch (error) {
      if (hasOnError && isConversionFailure(error)) return onError(scope);
      throw error;
    }
  };
};

const shorthand = (name: string, type: string): OperatorEntry =>
  defineOperator(name, 1, ([value]) => (isNullish(value) ? null : convert(value, type)));

/** Type operators. */
export const typeOperators: readonly OperatorEntry[] = [
  defineOperator('$type', 1, ([value]) => typeOf(value)),
  defineOperator('$isNumber', 1, ([value]) => isNumeric(value)),
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

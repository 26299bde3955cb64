import { type Document, fieldOf, isDocument, setField, typeOf } from '../../../bson/values.js';
import { fail } from '../../../errors.js';
import { ACCUMULATORS } from '../accumulators.js';
import { compile, type OperatorCompiler } from '../compiler.js';
import { ANY_NUMBER, defineOperator, isNullish, type OperatorEntry, readParameters } from './define.js';

function mergeObjects(values: readonly unknown[]): unknown {
  const accumulator = ACCUMULATORS.get('$mergeObjects')?.(undefined);
  const list = values.length === 1 && Array.isArray(values[0]) ? values[0] : values;
  for (const value of list) accumulator?.add(value);
  return accumulator?.result();
}

function objectToArray(value: unknown): unknown {
  if (isNullish(value)) return null;
  if (!isDocument(value))
    return fail('Location40390', `$objectToArray requires a document input, found: ${typeOf(value)}`);
  return Object.entries(value).map(([k, v]) => ({ k, v }));
}

function arrayToObject(value: unknown): unknown {
  if (isNullish(value)) return null;
  if (!Array.isArray(value))
    return fail('Location40386', `$arrayToObject requires an array input, found: ${typeOf(value)}`);
  const document: Document = {};
  for (const entry of value) {
    const [key, field] = Array.isArray(entry)
      ? entry
      : isDocument(entry)
        ? [entry['k'], entry['v']]
        : [undefined, undefined];
    if (typeof key !== 'string') {
      return fail(
        'Location40394',
        `$arrayToObject requires an array of key-value pairs, where the key must be of type string`,
      );
    }
    setField(document, key, field ?? null);
  }
  return document;
}

const compileGetField: OperatorCompiler = (operand, context) => {
  const isShort = !isDocument(operand) || !Object.hasOwn(operand, 'field');
  const { field, ...rest } = isShort
    ? { field: operand }
    : readParameters('$getField', operand, { required: ['field'], optional: ['input'] });
  const name = compile(field, context);
  const input = 'input' in rest ? compile(rest.input, context) : undefined;
  return function evaluateGetField(scope) {
    const key = name(scope);
    if (typeof key !== 'string')
      return fail('Location3041704', `$getField requires 'field' to evaluate to type String, but got ${typeOf(key)}`);
    const value = input === undefined ? scope.current : input(scope);
    if (value === null) return null;
    return isDocument(value) ? fieldOf(value, key) : undefined;
  };
};

function compileSetField(name: '$setField' | '$unsetField'): OperatorCompiler {
  return function compileOperand(operand, context) {
    const isUnset = name === '$unsetField';
    const parameters = readParameters(name, operand, {
      required: isUnset ? ['field', 'input'] : ['field', 'input', 'value'],
      optional: ['value'],
    });
    const field = compile(parameters['field'], context);
    const input = compile(parameters['input'], context);
    const value = isUnset ? () => undefined : compile(parameters['value'], context);
    return function evaluateSetField(scope) {
      const target = input(scope);
      if (isNullish(target)) return null;
      if (!isDocument(target)) return fail('Location4161105', `${name} requires 'input' to evaluate to type Object`);
      const key = field(scope);
      if (typeof key !== 'string')
        return fail('Location4161107', `${name} requires 'field' to evaluate to type String`);
      const result = { ...target };
      const next = value(scope);
      if (next === undefined) delete result[key];
      else setField(result, key, next);
      return result;
    };
  };
}

/** Document operators. */
export const objectOperators: readonly OperatorEntry[] = [
  defineOperator('$mergeObjects', ANY_NUMBER, mergeObjects),
  defineOperator('$objectToArray', 1, ([value]) => objectToArray(value)),
  defineOperator('$arrayToObject', 1, ([value]) => arrayToObject(value)),
  ['$getField', compileGetField],
  ['$setField', compileSetField('$setField')],
  ['$unsetField', compileSetField('$unsetField')],
];

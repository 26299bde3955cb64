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
  const isPairs = Array.isArray(value[0]);
  if (value.length > 0 && !isPairs && !isDocument(value[0]))
    return fail('Location40398', `Unrecognised input type format for $arrayToObject: ${typeOf(value[0])}`);
  const document: Document = {};
  for (const entry of value) {
    const [key, field] = isPairs ? pairOf(entry) : keyAndValueOf(entry);
    if (key.includes('\0'))
      return fail(isPairs ? 'Location4940400' : 'Location4940401', 'Key field cannot contain an embedded null byte');
    setField(document, key, field);
  }
  return document;
}

function pairOf(entry: unknown): [string, unknown] {
  if (!Array.isArray(entry))
    return fail('Location40396', `$arrayToObject requires a consistent input format, now found: ${typeOf(entry)}`);
  if (entry.length !== 2)
    return fail(
      'Location40397',
      `$arrayToObject requires an array of size 2 arrays, found array of size: ${entry.length}`,
    );
  const [key, field] = entry;
  return typeof key === 'string'
    ? [key, field]
    : fail('Location40395', `$arrayToObject requires keys of type string. Found key type: ${typeOf(key)}`);
}

function keyAndValueOf(entry: unknown): [string, unknown] {
  if (!isDocument(entry))
    return fail('Location40391', `$arrayToObject requires a consistent input format, now found: ${typeOf(entry)}`);
  const fields = Object.keys(entry).length;
  if (fields !== 2)
    return fail(
      'Location40392',
      `$arrayToObject requires an object keys of 'k' and 'v'. Found number of keys: ${fields}`,
    );
  const { k, v } = entry;
  if (k === undefined || v === undefined)
    return fail('Location40393', "$arrayToObject requires an object with keys 'k' and 'v'");
  return typeof k === 'string'
    ? [k, v]
    : fail('Location40394', `$arrayToObject requires 'k' to be of type string. Found type: ${typeOf(k)}`);
}

const compileGetField: OperatorCompiler = (operand, context) => {
  const isShort = !isDocument(operand) || Object.keys(operand)[0]?.startsWith('$') === true;
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

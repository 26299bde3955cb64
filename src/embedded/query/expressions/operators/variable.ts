import { isDocument } from '../../../bson/values.js';
import { fail } from '../../../errors.js';
import { isTruthy } from '../../truthiness.js';
import { type Binding, compile, type OperatorCompiler, withNames } from '../compiler.js';
import { defineOperator, type OperatorEntry, readParameters } from './define.js';

const compileLet: OperatorCompiler = (operand, context) => {
  const parameters = readParameters('$let', operand, { required: ['vars', 'in'], optional: [] });
  if (!isDocument(parameters.vars)) return fail('Location10065', 'invalid parameter: expected an object (vars)');
  const variables = Object.entries(parameters.vars).map(
    ([name, value]) => [ensureName(name), compile(value, context)] as const,
  );
  const body = compile(
    parameters.in,
    withNames(
      context,
      variables.map(([name]) => name),
    ),
  );
  return function evaluateLet(scope) {
    let binding: Binding | undefined = scope.binding;
    for (const [name, evaluate] of variables) binding = { name, value: evaluate(scope), next: binding };
    return body({ ...scope, binding });
  };
};

/** Checks the name of a variable, which must start with a lower-case letter. @throws DatabaseError FailedToParse */
export function ensureName(name: string): string {
  if (name === 'CURRENT') return name;
  if (name === '') return fail('FailedToParse', 'empty variable names are not allowed');
  if (/^[a-z\u0080-\uffff][\w\u0080-\uffff]*$/.test(name)) return name;
  return fail('FailedToParse', `'${name}' starts with an invalid character for a user variable name`);
}

const compileCondition: OperatorCompiler = (operand, context) => {
  const parts = Array.isArray(operand) ? operand : conditionParts(operand);
  if (parts.length !== 3) {
    return fail('Location16020', `Expression $cond takes exactly 3 arguments. ${parts.length} were passed in.`);
  }
  const [condition, then, otherwise] = parts.map((part) => compile(part, context));
  if (condition === undefined || then === undefined || otherwise === undefined) {
    return fail('Location16020', 'Expression $cond takes exactly 3 arguments.');
  }
  return (scope) => (isTruthy(condition(scope)) ? then(scope) : otherwise(scope));
};

function conditionParts(operand: unknown): unknown[] {
  if (!isDocument(operand)) return [operand];
  for (const key of Object.keys(operand)) {
    if (!['if', 'then', 'else'].includes(key)) fail('Location17083', `Unrecognized parameter to $cond: ${key}`);
  }
  for (const [index, key] of ['if', 'then', 'else'].entries()) {
    if (!Object.hasOwn(operand, key)) fail(`Location${17080 + index}`, `Missing '${key}' parameter to $cond`);
  }
  return [operand['if'], operand['then'], operand['else']];
}

const compileSwitch: OperatorCompiler = (operand, context) => {
  const { branches, ...rest } = readParameters('$switch', operand, { required: ['branches'], optional: ['default'] });
  if (!Array.isArray(branches)) return fail('Location40061', "$switch expected an array for 'branches'");
  if (branches.length === 0) return fail('Location40068', '$switch requires at least one branch.');
  const compiled = branches.map((branch) => {
    const parts = readParameters('$switch branch', branch, { required: ['case', 'then'], optional: [] });
    return { condition: compile(parts.case, context), consequence: compile(parts.then, context) };
  });
  const otherwise = 'default' in rest ? compile(rest.default, context) : undefined;
  return function evaluateSwitch(scope) {
    for (const { condition, consequence } of compiled) if (isTruthy(condition(scope))) return consequence(scope);
    if (otherwise !== undefined) return otherwise(scope);
    return fail(
      'Location40066',
      '$switch could not find a matching branch for an input, and no default was specified.',
    );
  };
};

const compileIfNull: OperatorCompiler = (operand, context) => {
  if (!Array.isArray(operand) || operand.length < 2) {
    return fail(
      'Location1257300',
      `$ifNull needs at least two arguments, had: ${Array.isArray(operand) ? operand.length : 1}`,
    );
  }
  const evaluators = operand.map((part) => compile(part, context));
  return function evaluateIfNull(scope) {
    let value: unknown;
    for (const evaluate of evaluators) {
      value = evaluate(scope);
      if (value !== null && value !== undefined) return value;
    }
    return value;
  };
};

const compileRand: OperatorCompiler = (operand) => {
  if (typeof operand !== 'object' || operand === null) {
    return fail('Location10065', 'invalid parameter: expected an object ($rand)');
  }
  if (Object.keys(operand).length > 0) fail('Location3040501', '$rand does not currently accept arguments');
  return () => Math.random();
};

const compileAnd: OperatorCompiler = (operand, context) => {
  const parts = (Array.isArray(operand) ? operand : [operand]).map((part) => compile(part, context));
  return (scope) => parts.every((part) => isTruthy(part(scope)));
};

const compileOr: OperatorCompiler = (operand, context) => {
  const parts = (Array.isArray(operand) ? operand : [operand]).map((part) => compile(part, context));
  return (scope) => parts.some((part) => isTruthy(part(scope)));
};

/** Literals, variables, conditions and boolean operators. */
export const variableOperators: readonly OperatorEntry[] = [
  ['$literal', (operand) => () => operand],
  ['$const', (operand) => () => operand],
  ['$let', compileLet],
  ['$cond', compileCondition],
  ['$switch', compileSwitch],
  ['$ifNull', compileIfNull],
  ['$and', compileAnd],
  ['$or', compileOr],
  defineOperator('$not', 1, ([value]) => !isTruthy(value)),
  ['$rand', compileRand],
];

import { toNumber } from '../../../bson/numbers.js';
import { isDocument, isInt32, isNumeric, typeOf } from '../../../bson/values.js';
import { type CodeName, fail } from '../../../errors.js';
import { compile, type Evaluate, type ExpressionContext, type OperatorCompiler } from '../compiler.js';
import { PARAMETER_CODES } from './parameter-codes.js';

/** The name of an operator and its compiler. */
export type OperatorEntry = readonly [name: string, compiler: OperatorCompiler];

/** The number of arguments of an operator. */
export interface Arity {
  readonly min: number;
  readonly max: number;
}

/** Defines an operator on a list of evaluated arguments. A single argument needs no list. */
export const defineOperator = (
  name: string,
  arity: number | Arity,
  calculate: (values: unknown[], context: ExpressionContext) => unknown,
): OperatorEntry => [
  name,
  (operand, context) => {
    const evaluators = compileArguments({ name, arity, operand }, context);
    const [first, second] = evaluators;
    if (first !== undefined && evaluators.length === 1) return (scope) => calculate([first(scope)], context);
    if (first !== undefined && second !== undefined && evaluators.length === 2) {
      return (scope) => calculate([first(scope), second(scope)], context);
    }
    return (scope) =>
      calculate(
        evaluators.map((evaluate) => evaluate(scope)),
        context,
      );
  },
];

interface Call {
  readonly name: string;
  readonly arity: number | Arity;
  readonly operand: unknown;
}

/**
 * Compiles the arguments of an operator.
 * @throws DatabaseError Location16020 or Location28667 for a wrong number of arguments
 */
function compileArguments({ name, arity, operand }: Call, context: ExpressionContext): Evaluate[] {
  const list = Array.isArray(operand) ? operand : [operand];
  if (typeof arity === 'number') {
    if (list.length !== arity) {
      fail('Location16020', `Expression ${name} takes exactly ${arity} arguments. ${list.length} were passed in.`);
    }
  } else if (list.length < arity.min || list.length > arity.max) {
    const { min, max } = arity;
    fail(
      'Location28667',
      max === Number.POSITIVE_INFINITY
        ? `Expression ${name} takes at least ${min} arguments, but ${list.length} were passed in.`
        : `Expression ${name} takes at least ${min} arguments, and at most ${max}, but ${list.length} were passed in.`,
    );
  }
  return list.map((argument) => compile(argument, context));
}

/** Any number of arguments. */
export const ANY_NUMBER: Arity = { min: 0, max: Number.POSITIVE_INFINITY };

/** The parameters of an operator with named parameters. */
export interface Parameters<Required extends string, Optional extends string> {
  readonly required: readonly Required[];
  readonly optional: readonly Optional[];
}

/**
 * Reads the named parameters of an operand without compiling them.
 * @throws DatabaseError for a missing or an unknown parameter, with the code of {@link PARAMETER_CODES} or FailedToParse
 */
export function readParameters<Required extends string, Optional extends string>(
  name: string,
  operand: unknown,
  { required, optional }: Parameters<Required, Optional>,
): Record<Required, unknown> & Partial<Record<Optional, unknown>> {
  const codes = PARAMETER_CODES.get(name);
  if (!isDocument(operand)) return fail(codeOf(codes?.operand), `${name} only supports an object as its argument`);
  const known: readonly string[] = [...required, ...optional];
  for (const key of Object.keys(operand)) {
    if (!known.includes(key)) fail(codeOf(codes?.unknown), `Unrecognized argument to ${name}: ${key}`);
  }
  for (const [index, key] of required.entries()) {
    if (!Object.hasOwn(operand, key)) fail(codeOf(codes?.missing[index]), `Missing '${key}' parameter to ${name}`);
  }
  return operand as Record<Required, unknown> & Partial<Record<Optional, unknown>>;
}

const codeOf = (code: number | undefined): CodeName =>
  code === undefined || code === 9 ? 'FailedToParse' : `Location${code}`;

/** Defines an operator on named, evaluated parameters. Omitted parameters are `undefined`, missing values null. */
export const defineNamed = <Required extends string, Optional extends string>(
  name: string,
  parameters: Parameters<Required, Optional>,
  calculate: (values: Record<Required | Optional, unknown>, context: ExpressionContext) => unknown,
): OperatorEntry => [
  name,
  (operand, context) => {
    const given = Object.entries(readParameters(name, operand, parameters)).map(
      ([key, value]) => [key, compile(value, context)] as const,
    );
    return function evaluateNamed(scope) {
      const values: Record<string, unknown> = {};
      for (const [key, evaluate] of given) values[key] = evaluate(scope) ?? null;
      return calculate(values as Record<Required | Optional, unknown>, context);
    };
  },
];

/** Whether a named parameter is given and null or missing. */
export const isNull = (value: unknown): value is null => value === null;

/** Whether a value is null or missing, for which most operators return null. */
export const isNullish = (value: unknown): value is null | undefined => value === null || value === undefined;

/** The index argument of an operator that searches. @throws DatabaseError when it is no int32 or negative */
export function ensureIndex(name: string, value: unknown, what: string): number {
  const index = isNumeric(value) ? toNumber(value) + 0 : Number.NaN;
  if (!isInt32(index)) {
    return fail('Location40096', `${name} requires an integral ${what}, found a value of type: ${typeOf(value)}`);
  }
  return index >= 0 ? index : fail('Location40097', `${name} requires a nonnegative ${what}, found: ${index}`);
}

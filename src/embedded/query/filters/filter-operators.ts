import { BSONRegExp } from 'bson';
import type { Collation } from '../../bson/collation.js';
import { type Document, isDocument } from '../../bson/values.js';
import { fail } from '../../errors.js';
import { compileRegExp, isRegExp, type RegExpSource, toRegExpSource } from '../regular-expression.js';
import { isTruthy } from '../truthiness.js';
import { compileAll, compileElemMatch, compileSize } from './array-operators.js';
import {
  compileEquality,
  compileMembership,
  compileRange,
  type RangeOperator,
  type ValueTest,
} from './comparison-operators.js';
import { type FieldOperator, isOperatorDocument, type OperatorCompiler, type OperatorContext } from './operator.js';
import type { PathTest } from './path-tests.js';
import { compileBits, compileMod, compileType } from './scalar-operators.js';

/**
 * Compiles what a filter says about one path: operators, a regular expression, or a value to equal.
 * @throws DatabaseError BadValue naming an operator that is unknown
 */
export function compileField(path: string, value: unknown, context: OperatorContext): FieldOperator[] {
  if (isRegExp(value)) return [{ op: '$regex', value, test: toRegExpTest(toRegExpSource(value)) }];
  if (isOperatorDocument(value)) return compileOperators(path, value, context);
  return [{ op: '$eq', value, test: toPathTest(compileEquality(value, context.collation)) }];
}

/**
 * Compiles a document of operators.
 * @throws DatabaseError BadValue naming an operator that is unknown
 */
export function compileOperators(path: string, operators: Document, context: OperatorContext): FieldOperator[] {
  const compiled: FieldOperator[] = [];
  for (const [op, value] of Object.entries(operators)) {
    if (op === '$options') {
      if (operators['$regex'] === undefined) fail('BadValue', '$options needs a $regex');
    } else if (op === '$regex') {
      const source = readRegExp(value, operators['$options']);
      const test = toRegExpTest(source);
      compiled.push({ op, value: new BSONRegExp(source.pattern, sortedOptions(source)), test });
    } else {
      const compileOperand = OPERATORS.get(op) ?? failOnUnknown(op);
      compiled.push({ op, value, test: compileOperand(value, context, path) });
    }
  }
  return compiled;
}

const UNSUPPORTED: ReadonlySet<string> = new Set([
  '$near',
  '$nearSphere',
  '$geoNear',
  '$geoWithin',
  '$geoIntersects',
  '$within',
]);

const failOnUnknown = (op: string): never =>
  UNSUPPORTED.has(op)
    ? fail('CommandNotSupported', `the operator ${op} is not supported by this database`)
    : fail('BadValue', `unknown operator: ${op}`);

const toPathTest = (matches: ValueTest): PathTest => ({ kind: 'value', matches });

const not = (inner: PathTest): PathTest => ({ kind: 'not', inner });

function all(operators: readonly FieldOperator[]): PathTest {
  const [first] = operators;
  return first !== undefined && operators.length === 1
    ? first.test
    : { kind: 'all', inner: operators.map(({ test }) => test) };
}

const toRegExpTest = (source: RegExpSource): PathTest => toPathTest(compileRegExpMatch(source));

function compileRegExpMatch(source: RegExpSource): ValueTest {
  const expression = compileRegExp(source);
  const options = sortedOptions(source);
  return function matchesRegExp(value) {
    if (typeof value === 'string') return expression.test(value);
    return value instanceof BSONRegExp && value.pattern === source.pattern && value.options === options;
  };
}

/** BSON stores the flags of a regular expression in alphabetical order. */
const sortedOptions = ({ options }: RegExpSource): string => [...options].sort().join('');

function readRegExp(value: unknown, options: unknown): RegExpSource {
  if (options !== undefined && typeof options !== 'string') return fail('BadValue', '$options has to be a string');
  if (typeof value === 'string') return { pattern: value, options: options ?? '' };
  if (!isRegExp(value)) return fail('BadValue', '$regex has to be a string');
  const source = toRegExpSource(value);
  if (options === undefined) return source;
  if (source.options !== '') return fail('Location51075', 'options set in both $regex and $options');
  return { pattern: source.pattern, options };
}

function ensureNoRegExp(operator: string, operand: unknown, path: string): void {
  if (!isRegExp(operand)) return;
  fail(
    'BadValue',
    operator === '$ne'
      ? "Can't have regex as arg to $ne."
      : `Can't have RegEx as arg to predicate over field '${path}'.`,
  );
}

function defineRange(operator: RangeOperator): readonly [string, OperatorCompiler] {
  return [
    operator,
    (operand, { collation }, path) => {
      ensureNoRegExp(operator, operand, path);
      return toPathTest(compileRange(operator, operand, collation));
    },
  ];
}

function compileIn(operator: '$in' | '$nin', operand: unknown, collation: Collation | undefined): PathTest {
  if (!Array.isArray(operand)) return fail('BadValue', `${operator} needs an array`);
  const expressions: ValueTest[] = [];
  const values: unknown[] = [];
  for (const member of operand) {
    if (isOperatorDocument(member)) return fail('BadValue', `cannot nest $ under ${operator}`);
    if (isRegExp(member)) expressions.push(compileRegExpMatch(toRegExpSource(member)));
    else values.push(member);
  }
  const isMember = compileMembership(values, collation);
  if (expressions.length === 0) return toPathTest(isMember);
  return toPathTest((value) => isMember(value) || expressions.some((matches) => matches(value)));
}

const compileNotEqual: OperatorCompiler = (operand, { collation }, path) => {
  ensureNoRegExp('$ne', operand, path);
  return not(toPathTest(compileEquality(operand, collation)));
};

const compileNot: OperatorCompiler = (operand, context, path) => {
  if (isRegExp(operand)) return not(toRegExpTest(toRegExpSource(operand)));
  if (!isDocument(operand)) return fail('BadValue', '$not needs a regex or a document');
  if (Object.keys(operand).length === 0) return fail('BadValue', '$not cannot be empty');
  if (!isOperatorDocument(operand)) return fail('BadValue', `unknown operator: ${Object.keys(operand)[0]}`);
  return not(all(compileOperators(path, operand, context)));
};

const compileExists: OperatorCompiler = (operand) => {
  const exists = toPathTest((value) => value !== undefined);
  return isTruthy(operand) ? exists : not(exists);
};

const OPERATORS: ReadonlyMap<string, OperatorCompiler> = new Map<string, OperatorCompiler>([
  ['$eq', (operand, { collation }) => toPathTest(compileEquality(operand, collation))],
  ['$ne', compileNotEqual],
  defineRange('$gt'),
  defineRange('$gte'),
  defineRange('$lt'),
  defineRange('$lte'),
  ['$in', (operand, { collation }) => compileIn('$in', operand, collation)],
  ['$nin', (operand, { collation }) => not(compileIn('$nin', operand, collation))],
  ['$not', compileNot],
  ['$exists', compileExists],
  ['$type', (operand) => toPathTest(compileType(operand))],
  ['$mod', (operand) => toPathTest(compileMod(operand))],
  ['$bitsAllSet', (operand) => toPathTest(compileBits('$bitsAllSet', operand))],
  ['$bitsAnySet', (operand) => toPathTest(compileBits('$bitsAnySet', operand))],
  ['$bitsAllClear', (operand) => toPathTest(compileBits('$bitsAllClear', operand))],
  ['$bitsAnyClear', (operand) => toPathTest(compileBits('$bitsAnyClear', operand))],
  ['$size', compileSize],
  ['$elemMatch', compileElemMatch],
  ['$all', compileAll],
]);

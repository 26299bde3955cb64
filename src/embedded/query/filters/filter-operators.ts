import { BSONRegExp } from 'bson';
import type { Collation } from '../../bson/collation.js';
import { type Document, isDocument } from '../../bson/values.js';
import { fail } from '../../errors.js';
import { compileRegExp, isRegExp, type RegExpSource, toRegExpSource } from '../regular-expression.js';
import { compileAll, compileElemMatch, compileSize } from './array-operators.js';
import { compileEquality, compileMembership, compileRange, type ValueTest } from './comparison-operators.js';
import type { Condition, Operation } from './path-tests.js';
import { compileBits, compileMod, compileType, isTruthy } from './scalar-operators.js';

/** What compiling an operator may need of its surroundings. */
export interface OperatorContext {
  readonly collation: Collation | undefined;
  /** Compiles a nested filter, for `$elemMatch`. */
  readonly compileCondition: (filter: Document) => Condition;
}

/** The part of a filter that one operator on a path is, as the planner sees it. */
export interface FieldOperator {
  readonly op: string;
  readonly value: unknown;
  readonly operation: Operation;
}

type OperatorCompiler = (operand: unknown, context: OperatorContext, path: string) => Operation;

/** Whether a value is a document of operators (`{ $gt: 1 }`) and not one to compare with; a DBRef is the latter. */
export const isOperatorDocument = (value: unknown): value is Document => {
  if (!isDocument(value)) return false;
  const [first] = Object.keys(value);
  return first?.startsWith('$') === true && !DBREF_FIELDS.has(first);
};

/** The fields of a DBRef, the only names of fields that begin like operators. */
export const DBREF_FIELDS: ReadonlySet<string> = new Set(['$ref', '$id', '$db']);

/**
 * Compiles what a filter says of one path: operators, a regular expression, or a value to equal.
 * @throws DatabaseError BadValue naming an operator that is unknown
 */
export const compileField = (path: string, value: unknown, context: OperatorContext): FieldOperator[] => {
  if (isRegExp(value)) return [{ op: '$regex', value, operation: regExpOperation(toRegExpSource(value)) }];
  if (isOperatorDocument(value)) return compileOperators(path, value, context);
  return [{ op: '$eq', value, operation: testOf(compileEquality(value, context.collation)) }];
};

/** Compiles a document of operators. */
export const compileOperators = (path: string, operators: Document, context: OperatorContext): FieldOperator[] => {
  const compiled: FieldOperator[] = [];
  for (const [op, value] of Object.entries(operators)) {
    if (op === '$options') {
      if (operators['$regex'] === undefined) fail('BadValue', '$options needs a $regex');
    } else if (op === '$regex') {
      const source = regexSource(value, operators['$options']);
      const expression = new BSONRegExp(source.pattern, [...source.options].sort().join(''));
      compiled.push({ op, value: expression, operation: regExpOperation(source) });
    } else {
      const compiler = OPERATORS.get(op);
      if (compiler === undefined) return unknownOperator(op);
      compiled.push({ op, value, operation: compiler(value, context, path) });
    }
  }
  return compiled;
};

const UNSUPPORTED: ReadonlySet<string> = new Set([
  '$near',
  '$nearSphere',
  '$geoNear',
  '$geoWithin',
  '$geoIntersects',
  '$within',
]);

const unknownOperator = (op: string): never =>
  UNSUPPORTED.has(op)
    ? fail('CommandNotSupported', `the operator ${op} is not supported by this database`)
    : fail('BadValue', `unknown operator: ${op}`);

const testOf = (test: ValueTest): Operation => ({ kind: 'test', test });

const not = (inner: Operation): Operation => ({ kind: 'not', inner });

const all = (operators: readonly FieldOperator[]): Operation => {
  const [first] = operators;
  return first !== undefined && operators.length === 1
    ? first.operation
    : { kind: 'all', inner: operators.map(({ operation }) => operation) };
};

const regExpOperation = (source: RegExpSource): Operation => {
  const expression = compileRegExp(source);
  // The stored flags come sorted.
  const options = [...source.options].sort().join('');
  return testOf((value) => {
    if (typeof value === 'string') return expression.test(value);
    return value instanceof BSONRegExp && value.pattern === source.pattern && value.options === options;
  });
};

const regexSource = (value: unknown, options: unknown): RegExpSource => {
  if (options !== undefined && typeof options !== 'string') return fail('BadValue', '$options has to be a string');
  if (typeof value === 'string') return { pattern: value, options: options ?? '' };
  if (!isRegExp(value)) return fail('BadValue', '$regex has to be a string');
  const source = toRegExpSource(value);
  if (options === undefined) return source;
  if (source.options !== '') return fail('Location51075', 'options set in both $regex and $options');
  return { pattern: source.pattern, options };
};

const ensureNoRegExp = (operator: string, operand: unknown, path: string): void => {
  if (!isRegExp(operand)) return;
  fail(
    'BadValue',
    operator === '$ne'
      ? "Can't have regex as arg to $ne."
      : `Can't have RegEx as arg to predicate over field '${path}'.`,
  );
};

const range =
  (operator: '$gt' | '$gte' | '$lt' | '$lte'): OperatorCompiler =>
  (operand, { collation }, path) => {
    ensureNoRegExp(operator, operand, path);
    return testOf(compileRange(operator, operand, collation));
  };

const membership = (operator: '$in' | '$nin', operand: unknown, collation: Collation | undefined): Operation => {
  if (!Array.isArray(operand)) return fail('BadValue', `${operator} needs an array`);
  const expressions: ValueTest[] = [];
  const values: unknown[] = [];
  for (const member of operand) {
    if (isOperatorDocument(member)) return fail('BadValue', `cannot nest $ under ${operator}`);
    if (isRegExp(member)) expressions.push(onlyTest(regExpOperation(toRegExpSource(member))));
    else values.push(member);
  }
  const isMember = compileMembership(values, collation);
  if (expressions.length === 0) return testOf(isMember);
  return testOf((value) => isMember(value) || expressions.some((test) => test(value)));
};

const onlyTest = (operation: Operation): ValueTest => (operation.kind === 'test' ? operation.test : () => false);

const compileNot: OperatorCompiler = (operand, context, path) => {
  if (isRegExp(operand)) return not(regExpOperation(toRegExpSource(operand)));
  if (!isDocument(operand)) return fail('BadValue', '$not needs a regex or a document');
  if (Object.keys(operand).length === 0) return fail('BadValue', '$not cannot be empty');
  if (!isOperatorDocument(operand)) return fail('BadValue', `unknown operator: ${Object.keys(operand)[0]}`);
  return not(all(compileOperators(path, operand, context)));
};

const compileExists: OperatorCompiler = (operand) => {
  const exists: Operation = testOf((value) => value !== undefined);
  return isTruthy(operand) ? exists : not(exists);
};

const OPERATORS: ReadonlyMap<string, OperatorCompiler> = new Map<string, OperatorCompiler>([
  ['$eq', (operand, { collation }) => testOf(compileEquality(operand, collation))],
  [
    '$ne',
    (operand, { collation }, path) => {
      ensureNoRegExp('$ne', operand, path);
      return not(testOf(compileEquality(operand, collation)));
    },
  ],
  ['$gt', range('$gt')],
  ['$gte', range('$gte')],
  ['$lt', range('$lt')],
  ['$lte', range('$lte')],
  ['$in', (operand, { collation }) => membership('$in', operand, collation)],
  ['$nin', (operand, { collation }) => not(membership('$nin', operand, collation))],
  ['$not', compileNot],
  ['$exists', compileExists],
  ['$type', (operand) => testOf(compileType(operand))],
  ['$mod', (operand) => testOf(compileMod(operand))],
  ['$bitsAllSet', (operand) => testOf(compileBits('$bitsAllSet', operand))],
  ['$bitsAnySet', (operand) => testOf(compileBits('$bitsAnySet', operand))],
  ['$bitsAllClear', (operand) => testOf(compileBits('$bitsAllClear', operand))],
  ['$bitsAnyClear', (operand) => testOf(compileBits('$bitsAnyClear', operand))],
  ['$size', compileSize],
  ['$elemMatch', compileElemMatch],
  ['$all', compileAll],
]);

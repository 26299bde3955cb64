import type { Collation } from '../../bson/collation.js';
import { toPath } from '../../bson/path.js';
import { type Document, isDocument } from '../../bson/values.js';
import { fail } from '../../errors.js';
import { compileExpression } from '../expressions/expression.js';
import { isTruthy } from '../truthiness.js';
import { compileField, compileOperators } from './filter-operators.js';
import { type PositionSource, positionIn, toPositionSources } from './matched-position.js';
import { DBREF_FIELDS, type FieldPredicate, type OperatorContext } from './operator.js';
import { allOf, anyOf, type Condition, noneOf, onPath } from './path-tests.js';

/** A compiled filter. */
export interface Matcher {
  matches(document: Document): boolean;
  /** In a document that matches: the array position that `$` stands for in an update or a projection. */
  positionOf(document: Document): number | undefined;
  /** Predicates that every matching document satisfies. The planner uses them; {@link matches} still decides. */
  readonly predicates: readonly FieldPredicate[];
  /** The branches of each `$or` that must hold. A plan can be the union of plans for the branches of one of them. */
  readonly disjunctions: readonly (readonly Matcher[])[];
  readonly collation: Collation | undefined;
}

/** The context of a filter. */
export interface FilterOptions {
  readonly collation?: Collation | undefined;
  /** The variables of the command's `let`, for `$expr`. */
  readonly variables?: Document | undefined;
  /** Whether `$expr` is rejected: where an upsert, `$pull` or an array filter could not say what it means. */
  readonly bansExpr?: boolean | undefined;
  /** Whether the filter is one of `$elemMatch`. */
  readonly isNested?: boolean | undefined;
}

/**
 * Compiles a filter.
 * @throws DatabaseError BadValue or CommandNotSupported naming an operator that is unknown or not supported
 */
export function compileFilter(filter: Document, options: FilterOptions = {}): Matcher {
  const collector: Collector = { conditions: [], predicates: [], disjunctions: [], positions: [] };
  const context = createContext(options);
  collect(filter, context, collector);
  const condition = allOf(collector.conditions);
  return {
    matches: condition.test,
    positionOf: (document) => positionIn(collector.positions, document),
    predicates: collector.predicates,
    disjunctions: collector.disjunctions,
    collation: options.collation,
  };
}

interface Context extends OperatorContext {
  readonly options: FilterOptions;
}

interface Collector {
  readonly conditions: Condition[];
  readonly predicates: FieldPredicate[];
  readonly disjunctions: (readonly Matcher[])[];
  readonly positions: PositionSource[];
}

const createContext = (options: FilterOptions): Context => ({
  collation: options.collation,
  options,
  compileField,
  compileOperators,
  compileCondition: (filter) => {
    const matcher = compileFilter(filter, { ...options, isNested: true });
    return { test: matcher.matches };
  },
});

function collect(filter: Document, context: Context, into: Collector): void {
  for (const key of Object.keys(filter)) {
    const value = filter[key];
    if (key.startsWith('$') && !DBREF_FIELDS.has(key)) collectTopLevel(key, value, { context, into });
    else collectField(key, value, { context, into });
  }
}

interface Collecting {
  readonly context: Context;
  readonly into: Collector;
}

function collectField(path: string, value: unknown, { context, into }: Collecting): void {
  const segments = toPath(path);
  for (const { op, value: operand, test } of compileField(path, value, context)) {
    const predicate = { path, op, value: operand };
    into.predicates.push(predicate);
    into.conditions.push(onPath(test, segments));
    into.positions.push(...toPositionSources(predicate, test, segments));
  }
}

function collectTopLevel(operator: string, operand: unknown, { context, into }: Collecting): void {
  switch (operator) {
    case '$and':
      for (const clause of clausesOf(operator, operand)) collect(clause, context, into);
      return;
    case '$or': {
      const clauses = clausesOf(operator, operand);
      const [only] = clauses;
      // MongoDB's optimizer replaces an `$or` with one branch by the branch.
      if (only && clauses.length === 1) {
        collect(only, context, into);
        return;
      }
      const branches = clauses.map((clause) => compileFilter(clause, context.options));
      into.disjunctions.push(branches);
      into.conditions.push(anyOf(branches.map(toCondition)));
      return;
    }
    case '$nor': {
      const branches = clausesOf(operator, operand).map((clause) => compileFilter(clause, context.options));
      into.conditions.push(noneOf(branches.map(toCondition)));
      return;
    }
    case '$expr': {
      const { collation, variables, bansExpr, isNested } = context.options;
      if (bansExpr === true) fail('QueryFeatureNotAllowed', '$expr is not allowed in this context');
      if (isNested === true) fail('BadValue', '$expr can only be applied to the top-level document');
      const evaluate = compileExpression(operand, { collation, variables });
      into.conditions.push({ test: (document) => isTruthy(evaluate(document)) });
      return;
    }
    case '$comment':
    case '$alwaysTrue':
      return;
    case '$alwaysFalse':
      into.conditions.push({ test: () => false });
      return;
    default:
      unknownTopLevel(operator);
  }
}

const toCondition = ({ matches }: Matcher): Condition => ({ test: matches });

function clausesOf(operator: string, operand: unknown): Document[] {
  if (!Array.isArray(operand)) return fail('BadValue', `${operator} must be an array`);
  if (operand.length === 0) return fail('BadValue', '$and/$or/$nor must be a nonempty array');
  return operand.map((clause) =>
    isDocument(clause) ? clause : fail('BadValue', '$or/$and/$nor entries need to be full objects'),
  );
}

const UNSUPPORTED: ReadonlySet<string> = new Set(['$where', '$text', '$jsonSchema', '$sampleRate']);

const unknownTopLevel = (operator: string): never =>
  UNSUPPORTED.has(operator)
    ? fail('CommandNotSupported', `the operator ${operator} is not supported by this database`)
    : fail(
        'BadValue',
        `unknown top level operator: ${operator}. If you have a field name that starts with a '$' symbol, consider using $getField or $setField.`,
      );

import type { Collation } from '../../bson/collation.js';
import { type Document, setField } from '../../bson/values.js';
import { compile, type ExpressionContext, type OperatorCompiler, scopeOf } from './compiler.js';
import { arithmeticOperators } from './operators/arithmetic.js';
import { arrayOperators } from './operators/array.js';
import { bitwiseOperators } from './operators/bitwise.js';
import { comparisonOperators } from './operators/comparison.js';
import { dateOperators } from './operators/date.js';
import { dateCalculations } from './operators/date-calculation.js';
import { dateTextOperators } from './operators/date-text.js';
import { objectOperators } from './operators/object.js';
import { setOperators } from './operators/set.js';
import { stringOperators } from './operators/string.js';
import { summaryOperators } from './operators/summary.js';
import { trigonometryOperators } from './operators/trigonometry.js';
import { typeOperators } from './operators/type.js';
import { ensureName, variableOperators } from './operators/variable.js';

/** The context of {@link compileExpression}. */
export interface ExpressionOptions {
  readonly collation?: Collation | undefined;
  readonly now?: Date | undefined;
  /** The evaluated variables of the command's `let`. */
  readonly variables?: Document | undefined;
  /** Names of variables that the scope will bind, such as `this`. */
  readonly names?: readonly string[] | undefined;
}

/** The context of a top-level expression, with all operators. */
export const createExpressionContext = (options: ExpressionOptions = {}): ExpressionContext => ({
  collation: options.collation,
  now: options.now ?? new Date(),
  names: new Set(options.names),
  constants: options.variables ?? {},
  operators: OPERATORS,
});

/**
 * Compiles an aggregation expression to a function of a document.
 * @throws DatabaseError InvalidPipelineOperator naming an operator that is unknown
 */
export function compileExpression(
  expression: unknown,
  options: ExpressionOptions = {},
): (document: Document) => unknown {
  const evaluate = compile(expression, createExpressionContext(options));
  return (document) => evaluate(scopeOf(document));
}

/**
 * Evaluates the `let` of a command or a stage: expressions by name, which can use the variables before them.
 * @param document - what the expressions of a stage read
 * @throws DatabaseError FailedToParse for an invalid variable name
 */
export function evaluateVariables(
  variables: Document,
  { collation, document = {} }: { collation?: Collation; document?: Document } = {},
): Document {
  const evaluated: Document = {};
  for (const [name, expression] of Object.entries(variables)) {
    const value = compileExpression(expression, { collation, variables: evaluated })(document);
    setField(evaluated, ensureName(name), value ?? null);
  }
  return evaluated;
}

const OPERATORS: ReadonlyMap<string, OperatorCompiler> = new Map<string, OperatorCompiler>([
  ...bitwiseOperators,
  ...dateOperators,
  ...dateCalculations,
  ...dateTextOperators,
  ...trigonometryOperators,
  ...variableOperators,
  ...comparisonOperators,
  ...arithmeticOperators,
  ...arrayOperators,
  ...objectOperators,
  ...setOperators,
  ...stringOperators,
  ...summaryOperators,
  ...typeOperators,
]);

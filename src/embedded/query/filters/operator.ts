import type { Collation } from '../../bson/collation.js';
import { type Document, isDocument } from '../../bson/values.js';
import type { Condition, PathTest } from './path-tests.js';

/** A requirement of a filter on one path. The planner uses it to select an index. */
export interface FieldPredicate {
  readonly path: string;
  /** The operator's name. Plain equality is `$eq`; a regular expression is `$regex` with a `BSONRegExp`. */
  readonly op: string;
  readonly value: unknown;
}

/** One operator of a filter on one path, with its operand for the planner and compiled for matching. */
export interface FieldOperator {
  readonly op: string;
  readonly value: unknown;
  readonly test: PathTest;
}

/** What an operator needs to compile its operand. Operators nest, so the compilers come with the context. */
export interface OperatorContext {
  readonly collation: Collation | undefined;
  /** Compiles a nested filter, for `$elemMatch` on embedded documents. */
  readonly compileCondition: (filter: Document) => Condition;
  /** Compiles a document of operators (`{ $gt: 1, $lt: 5 }`). */
  readonly compileOperators: (path: string, operators: Document, context: OperatorContext) => FieldOperator[];
  /** Compiles operators, a regular expression or a value to equal. */
  readonly compileField: (path: string, value: unknown, context: OperatorContext) => FieldOperator[];
}

/** Compiles the operand of one operator. */
export type OperatorCompiler = (operand: unknown, context: OperatorContext, path: string) => PathTest;

/** The fields of a DBRef: the only field names of a filter that begin with `$`. */
export const DBREF_FIELDS: ReadonlySet<string> = new Set(['$ref', '$id', '$db']);

/** Whether a value is a document of operators (`{ $gt: 1 }`) and not a value to equal. A DBRef is a value; it has `$ref` and `$id`. */
export function isOperatorDocument(value: unknown): value is Document {
  if (!isDocument(value)) return false;
  const [first] = Object.keys(value);
  return first?.startsWith('$') === true && !(value['$ref'] !== undefined && value['$id'] !== undefined);
}

const LOGICAL_OPERATORS: ReadonlySet<string> = new Set(['$and', '$or', '$nor', '$where', '$expr']);

/** Whether the operand of `$elemMatch` holds operators for the elements themselves, not a filter on their fields. */
export function isValueElemMatch(operand: unknown): boolean {
  if (!isOperatorDocument(operand)) return false;
  const [first = ''] = Object.keys(operand);
  return !LOGICAL_OPERATORS.has(first) && !DBREF_FIELDS.has(first);
}

import { type Document, fieldOf, isDocument } from '../../../bson/values.js';
import type { AggregateCollection } from '../stage-context.js';

/**
 * Narrows the read of a correlated pipeline that begins with `{ $match: { $expr: { $eq: ['$field', '$$variable'] } } }`.
 * The equality with the value of the variable becomes part of the filter, which can use an index. The pipeline itself
 * still evaluates the expression.
 * @returns the collection with a narrowed `find`
 */
export function pushDownEqualities(
  collection: AggregateCollection,
  pipeline: readonly unknown[],
  variables: Document,
): AggregateCollection {
  const equalities = pipeline.length === 0 ? [] : equalitiesOf(matchExpression(pipeline[0]), variables);
  if (equalities.length === 0) return collection;
  return { ...collection, find: (filter, options) => collection.find({ $and: [filter, ...equalities] }, options) };
}

function matchExpression(stage: unknown): unknown {
  const match = isDocument(stage) ? stage['$match'] : undefined;
  return isDocument(match) ? match['$expr'] : undefined;
}

function equalitiesOf(expression: unknown, variables: Document): Document[] {
  if (!isDocument(expression)) return [];
  const { $and, $eq } = expression;
  if (Array.isArray($and)) return $and.flatMap((part) => equalitiesOf(part, variables));
  if (!Array.isArray($eq) || $eq.length !== 2) return [];
  const [left, right] = $eq;
  return equality(left, right, variables) ?? equality(right, left, variables) ?? [];
}

function equality(field: unknown, variable: unknown, variables: Document): Document[] | undefined {
  if (typeof field !== 'string' || !/^\$[^$]/.test(field)) return undefined;
  if (typeof variable !== 'string' || !variable.startsWith('$$') || variable.includes('.')) return undefined;
  const name = variable.slice(2);
  if (!Object.hasOwn(variables, name)) return undefined;
  const path = field.slice(1);
  // Numbers and arrays on a path have another meaning in a filter than in an expression.
  if (/(?:^|\.)\d/.test(path) || path.includes('.')) return undefined;
  const value = fieldOf(variables, name);
  return value === undefined || Array.isArray(value) ? undefined : [{ [path]: { $eq: value } }];
}

import type { Path } from '../../bson/path.js';
import { type Document, isDocument } from '../../bson/values.js';
import { isRegExp } from '../regular-expression.js';
import type { FieldPredicate } from './filter.js';
import { isOperatorDocument } from './filter-operators.js';
import { type Operation, positionOnPath } from './path-tests.js';

/** A condition of a filter that can set the array position which `$` stands for. */
export interface PositionSource {
  readonly rank: number;
  readonly path: string;
  readonly positionOf: (document: Document) => number | undefined;
}

/**
 * MongoDB's order of the conditions of a conjunction: by kind, then by path, whatever the order in the text
 * (`MatchExpression::sortTree` with the order of `MatchType`). Kinds that never set a position are left out: `$or` with
 * several branches, `$nor`, and every negation are matched without recording one.
 */
const RANKS: ReadonlyMap<string, number> = new Map(
  [
    'elemMatchObject',
    'elemMatchValue',
    '$size',
    '$eq',
    '$lte',
    '$lt',
    '$gt',
    '$gte',
    '$regex',
    '$mod',
    '$exists',
    '$in',
    '$bitsAllSet',
    '$bitsAllClear',
    '$bitsAnySet',
    '$bitsAnyClear',
    '$type',
  ].map((kind, rank) => [kind, rank]),
);

/** The position sources of one operator on a path: one for each value of `$all`, none for a negation. */
export const toPositionSources = (
  { path, op, value }: FieldPredicate,
  operation: Operation,
  segments: Path,
): PositionSource[] => {
  if (operation.kind === 'all') {
    const operands = Array.isArray(value) ? value : [];
    return operation.inner.flatMap((inner, index) =>
      toPositionSources({ path, ...memberOfAll(operands[index]) }, inner, segments),
    );
  }
  const rank = RANKS.get(kindOf(op, value));
  if (operation.kind !== 'test' || rank === undefined) return [];
  return [{ rank, path, positionOf: (document) => positionOnPath(operation, segments, document) }];
};

const memberOfAll = (operand: unknown): Pick<FieldPredicate, 'op' | 'value'> => {
  if (isRegExp(operand)) return { op: '$regex', value: operand };
  if (isDocument(operand) && operand['$elemMatch'] !== undefined) {
    return { op: '$elemMatch', value: operand['$elemMatch'] };
  }
  return { op: '$eq', value: operand };
};

const LOGICAL: ReadonlySet<string> = new Set(['$and', '$or', '$nor', '$where', '$expr']);

const kindOf = (op: string, value: unknown): string => {
  if (op === '$elemMatch') {
    const isOnValues = isOperatorDocument(value) && !LOGICAL.has(Object.keys(value)[0] ?? '');
    return isOnValues ? 'elemMatchValue' : 'elemMatchObject';
  }
  // MongoDB's optimizer turns `$in` with one value into an equality.
  return op === '$in' && Array.isArray(value) && value.length === 1 && !isRegExp(value[0]) ? '$eq' : op;
};

/**
 * The array position that `$` stands for in a document that matches: that of the last condition, in MongoDB's order, that
 * was met through an array. It may be a condition on another array than the one `$` is used on: `arrayFilters` say what is
 * meant where a filter has conditions on two arrays.
 */
export const positionIn = (sources: readonly PositionSource[], document: Document): number | undefined => {
  const sorted = sources.length > 1 ? [...sources].sort(compareSources) : sources;
  let position: number | undefined;
  for (const source of sorted) position = source.positionOf(document) ?? position;
  return position;
};

const compareSources = (left: PositionSource, right: PositionSource): number =>
  left.rank - right.rank || (left.path < right.path ? -1 : left.path > right.path ? 1 : 0);

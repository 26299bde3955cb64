import type { Path } from '../../bson/path.js';
import { type Document, isDocument } from '../../bson/values.js';
import { isRegExp } from '../regular-expression.js';
import { type FieldPredicate, isValueElemMatch } from './operator.js';
import { type PathTest, positionOnPath } from './path-tests.js';

/** A condition of a filter that can determine the array position `$` stands for. */
export interface PositionSource {
  readonly rank: number;
  readonly path: string;
  readonly positionOf: (document: Document) => number | undefined;
}

/**
 * MongoDB's order of the conditions of a conjunction: by kind, then by path, independent of the order in the filter
 * (`MatchExpression::sortTree`, `MatchType`). Kinds that never record a position are absent: `$or` with several
 * branches, `$nor` and every negation.
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

/** The position sources of one operator on a path: one per value for `$all`, none for a negation. */
export function toPositionSources(
  { path, op, value }: FieldPredicate,
  test: PathTest,
  segments: Path,
): PositionSource[] {
  if (test.kind === 'all') {
    const operands = Array.isArray(value) ? value : [];
    return test.inner.flatMap((inner, index) =>
      toPositionSources({ path, ...memberOfAll(operands[index]) }, inner, segments),
    );
  }
  const rank = RANKS.get(kindOf(op, value));
  if (test.kind !== 'value' || rank === undefined) return [];
  return [{ rank, path, positionOf: (document) => positionOnPath(test, segments, document) }];
}

function memberOfAll(operand: unknown): Pick<FieldPredicate, 'op' | 'value'> {
  if (isRegExp(operand)) return { op: '$regex', value: operand };
  if (isDocument(operand) && operand['$elemMatch'] !== undefined) {
    return { op: '$elemMatch', value: operand['$elemMatch'] };
  }
  return { op: '$eq', value: operand };
}

function kindOf(op: string, value: unknown): string {
  if (op === '$elemMatch') return isValueElemMatch(value) ? 'elemMatchValue' : 'elemMatchObject';
  // MongoDB's optimizer rewrites `$in` with one value as an equality.
  return op === '$in' && Array.isArray(value) && value.length === 1 && !isRegExp(value[0]) ? '$eq' : op;
}

/**
 * The array position `$` stands for in a document that matches: the position of the last condition, in MongoDB's
 * order, that matched through an array. With conditions on two arrays it can be a position in the other array; use
 * `arrayFilters` in that case.
 */
export function positionIn(sources: readonly PositionSource[], document: Document): number | undefined {
  const sorted = sources.length > 1 ? [...sources].sort(compareSources) : sources;
  let position: number | undefined;
  for (const source of sorted) position = source.positionOf(document) ?? position;
  return position;
}

const compareSources = (left: PositionSource, right: PositionSource): number =>
  left.rank - right.rank || (left.path < right.path ? -1 : left.path > right.path ? 1 : 0);

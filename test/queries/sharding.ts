import { type ShardKey, shardKeys, type Unsharded } from '#shared/models/sharding.js';
import type { Access } from './questions.js';
import { type Conjunction, isFields } from './rules/filter.js';
import type { IndexSpec } from './rules/index-spec.js';

/** How many shards a query goes to: one, those of the values that it lists, or all. */
export type Reach = 'one' | 'listed' | 'all';

/** The declared key of a collection. @throws Error when none is declared */
export function keyOf(collection: string): ShardKey | Unsharded {
  const key = shardKeys[collection];
  if (key === undefined) throw new Error(`no shard key is declared for ${collection}`);
  return key;
}

/** What keeps MongoDB 6 from sharding a collection by a key. */
export function obstaclesOf({ field, kind }: ShardKey, indexes: readonly IndexSpec[]): string[] {
  const others = indexes.filter(({ isUnique, name }) => isUnique && name !== '_id_');
  const unique = others.filter(({ keys }) => kind === 'hashed' || keys[0]?.[0] !== field);
  const serves = ({ keys, arrays, partialFilter, isSparse }: IndexSpec): boolean =>
    keys[0]?.[0] === field && !arrays.has(field) && partialFilter === undefined && !isSparse;
  return [
    ...unique.map(({ name }) => `the unique index ${name} does not begin with ${field}`),
    ...(kind === 'hashed' || indexes.some(serves) ? [] : [`no index begins with ${field}`]),
  ];
}

/**
 * Why a cluster refuses an access, by the rules of MongoDB 6; `undefined`: it does not.
 * @param isRetryable the write has a transaction number, as retried writes and transactions have
 */
export function refusalOf({ field }: ShardKey, access: Access, isRetryable = true): Refusal | undefined {
  const { operation, filter, change, isUpsert, isMulti } = access;
  const isNamed = boundOf(filter, field) === 'one';
  if (isUpsert && !isNamed) return refusal(61, 'An upsert on a sharded collection must contain the shard key');
  if (operation === 'findAndModify' && !isNamed)
    return refusal(61, 'Query for sharded findAndModify must contain the shard key');
  const isOfOne = !isMulti && (operation === 'updateOne' || operation === 'deleteOne');
  if (isOfOne && !isNamed && boundOf(filter, '_id') !== 'one')
    return refusal(
      72,
      'A write of one document on a sharded collection must contain an exact match on _id or the shard key',
    );
  if (operation === 'aggregate' || change === undefined || !changes(change, field)) return undefined;
  if (isMulti || !isRetryable || !isNamed) return refusal(66, `The shard key ${field} may not change in this way`);
  return undefined;
}

/** How a server refuses a command. */
export interface Refusal {
  readonly code: number;
  readonly errmsg: string;
}

const refusal = (code: number, errmsg: string): Refusal => ({ code, errmsg });

/** Where a query goes. */
export function reachOf({ field }: ShardKey, { filter }: Access): Reach {
  const bound = boundOf(filter, field);
  if (bound !== undefined) return bound;
  const isBounded = filter.disjunctions.some((branches) => branches.every((branch) => boundOf(branch, field)));
  return isBounded ? 'listed' : 'all';
}

function boundOf({ predicates }: Conjunction, field: string): Exclude<Reach, 'all'> | undefined {
  const own = predicates.filter(({ path, group }) => path === field && group === undefined);
  if (own.some(({ op }) => op === '$eq')) return 'one';
  return own.some(({ op }) => op === '$in') ? 'listed' : undefined;
}

/** Whether an update may change a field. `$setOnInsert` only makes documents; a replacement without the field removes it. */
function changes(change: unknown, field: string): boolean {
  const parts = [change].flat().filter(isFields);
  return parts.some((part) => {
    const operators = Object.entries(part).filter(([name]) => name.startsWith('$'));
    if (operators.length === 0) return !(field in part);
    return operators.some(
      ([operator, fields]) => operator !== '$setOnInsert' && isFields(fields) && Object.keys(fields).includes(field),
    );
  });
}

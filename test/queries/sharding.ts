import type { Access } from './questions.js';
import { type Fields, isFields, type Predicate } from './rules/filter.js';
import type { IndexSpec } from './rules/index-spec.js';

/** A shard key: the paths of its fields. */
export type ShardKey = readonly string[];

/**
 * The shard keys that fit what is done with a collection, after the rules of MongoDB 6:
 * a unique index begins with the shard key; a write of one document names its whole shard key or exactly its `_id`; an
 * upsert and `findAndModify` name the whole shard key; no update changes a field of it.
 */
export function fittingShardKeys(accesses: readonly Access[], indexes: readonly IndexSpec[]): ShardKey[] {
  return candidates(indexes).filter(
    (key) =>
      indexes.every((index) => !index.isUnique || index.name === '_id_' || isPrefix(key, index)) &&
      refusals(key, accesses).length === 0,
  );
}

/** The accesses that a cluster with this shard key refuses. */
const refusals = (key: ShardKey, accesses: readonly Access[]): Access[] =>
  accesses.filter((access) => isRefused(key, access));

/** Every beginning of an index without arrays. */
function candidates(indexes: readonly IndexSpec[]): ShardKey[] {
  const keys = new Map<string, ShardKey>();
  for (const { keys: fields, arrays, partialFilter, isSparse } of indexes) {
    if (partialFilter !== undefined || isSparse) continue;
    const paths = fields.map(([path]) => path);
    for (let length = 1; length <= paths.length; length += 1) {
      const key = paths.slice(0, length);
      if (key.some((path) => arrays.has(path))) break;
      keys.set(key.join(), key);
    }
  }
  return [...keys.values()];
}

const isPrefix = (key: ShardKey, { keys }: IndexSpec): boolean => key.every((path, index) => keys[index]?.[0] === path);

function isRefused(key: ShardKey, { operation, filter, change, isUpsert, isMulti }: Access): boolean {
  if (change !== undefined && operation !== 'aggregate' && changes(change, key)) return true;
  const isWhole = key.every((path) => names(filter.predicates, path));
  if (isUpsert || operation === 'findAndModify') return !isWhole;
  const isSingle = !isMulti && (operation === 'updateOne' || operation === 'deleteOne');
  return isSingle && !isWhole && !names(filter.predicates, '_id');
}

const names = (predicates: readonly Predicate[], path: string): boolean =>
  predicates.some((predicate) => predicate.path === path && predicate.op === '$eq' && predicate.group === undefined);

/** Whether an update may change a field of the key. `$setOnInsert` only makes documents. */
function changes(change: unknown, key: ShardKey): boolean {
  const operators = Array.isArray(change) ? (change as Fields[]) : [isFields(change) ? change : {}];
  return operators.some((one) =>
    Object.entries(one).some(
      ([operator, fields]) =>
        operator !== '$setOnInsert' && isFields(fields) && Object.keys(fields).some((path) => key.includes(path)),
    ),
  );
}

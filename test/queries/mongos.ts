import { shardKeys } from '#shared/models/sharding.js';
import { type Document, type MongoProxy, nameOf, startMongoProxy } from '../support/mongo-proxy.js';
import { toAccesses } from './questions.js';
import { type Fields, isFields } from './rules/filter.js';
import { type Refusal, refusalOf } from './sharding.js';

/** Fields of `hello` by which a driver knows a member of a replica set. */
const OF_MEMBERS: ReadonlySet<string> = new Set([
  'setName',
  'setVersion',
  'hosts',
  'me',
  'primary',
  'secondary',
  'electionId',
  'topologyVersion',
]);

/**
 * Stands for a `mongos` in front of a server: drivers take it for a cluster of shards, and it refuses what a cluster with the
 * declared shard keys refuses. It distributes nothing.
 */
export const startMongos = (target: string): Promise<MongoProxy> =>
  startMongoProxy(target, {
    onCommand: (command) => {
      if (isOfShards(command)) return { ok: 1 };
      const refusal = refusalOfCommand(command);
      return refusal && { ok: 0, ...refusal, codeName: 'refused by mongos' };
    },
    onReply: (reply) => (reply['maxWireVersion'] === undefined ? reply : toMongos(reply)),
  });

/** Commands that only a cluster knows. */
const isOfShards = (command: Document): boolean =>
  command['shardCollection'] !== undefined ||
  (nameOf(command) === 'createIndexes' &&
    (command['indexes'] as Fields[]).every(({ key }) => Object.values(key as object).includes('hashed')));

const toMongos = (reply: Document): Document => ({
  ...Object.fromEntries(Object.entries(reply).filter(([field]) => !OF_MEMBERS.has(field))),
  msg: 'isdbgrid',
});

const COLLECTIONS_READ: ReadonlySet<string> = new Set([
  'find',
  'aggregate',
  'distinct',
  'update',
  'delete',
  'findAndModify',
]);

function refusalOfCommand(command: Document): Refusal | undefined {
  const name = nameOf(command);
  const key = shardKeys[String(command[name])];
  if (name === 'aggregate') {
    const refused = (command['pipeline'] as Fields[]).map((stage) => refusalOfStage(stage, command));
    const first = refused.find((one) => one !== undefined);
    if (first !== undefined) return first;
  }
  if (key?.field === undefined) return undefined;
  const { field, kind } = key;
  if (name === 'insert') {
    const hasArray = (command['documents'] as Fields[]).some((document) => Array.isArray(document[field]));
    return hasArray ? { code: 61, errmsg: `Shard key ${field} cannot be an array` } : undefined;
  }
  if (name === 'createIndexes') {
    const isRefused = (command['indexes'] as Fields[]).some(
      ({ unique, key: keys }) => unique === true && (kind === 'hashed' || Object.keys(keys as object)[0] !== field),
    );
    return isRefused ? { code: 67, errmsg: 'A unique index must begin with the shard key' } : undefined;
  }
  if (!COLLECTIONS_READ.has(name)) return undefined;
  const isRetryable = command['txnNumber'] !== undefined;
  const refusals = toAccesses({ name, command }).map((access) => refusalOf(key, access, isRetryable));
  return refusals.find((one) => one !== undefined);
}

/** Stages that write or read another collection. */
function refusalOfStage({ $lookup, $merge, $out }: Fields, command: Document): Refusal | undefined {
  if (isFields($lookup) && isSharded($lookup['from']) && command['autocommit'] === false)
    return { code: 28_769, errmsg: 'MongoDB 6 has no $lookup of a sharded collection in a transaction' };
  if (isSharded($out)) return { code: 28_769, errmsg: '$out cannot write to a sharded collection' };
  if (!isFields($merge)) return undefined;
  const key = shardKeys[String($merge['into'])];
  const on = [$merge['on'] ?? key?.field ?? '_id'].flat();
  const isWhole = key?.field === undefined || on.includes(key.field);
  return isWhole ? undefined : { code: 51_183, errmsg: '`on` of $merge must contain the shard key' };
}

const isSharded = (name: unknown): boolean => shardKeys[String(name)]?.field !== undefined;

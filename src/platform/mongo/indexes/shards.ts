import type { Connection } from 'mongoose';
import { platformCollections } from '#shared/models/ownership.js';
import { type ShardKey, shardKeys } from '#shared/models/sharding.js';
import { existingIndexes } from './compare.js';
import { quote, shell } from './report.js';

/** A collection to shard. */
export interface ShardStep {
  readonly collection: string;
  /** `false`: the platform decides. */
  readonly isOwn: boolean;
  /** Why it cannot be sharded: unique indexes that do not begin with the key, with the commands that drop them. */
  readonly obstacles: readonly string[];
  /** The mongosh commands. */
  readonly commands: readonly string[];
  /** Runs them. @throws MongoServerError when the server refuses */
  run(): Promise<void>;
}

/** What shards the collections of the gateway and of the platform by their declared keys. Changes nothing. */
export async function planShards({ db }: Pick<Connection, 'db'>): Promise<ShardStep[]> {
  if (db === undefined) throw new Error('the database is not connected');
  const keyed = Object.entries(shardKeys).filter((entry): entry is [string, ShardKey] => entry[1].field !== undefined);
  return Promise.all(
    keyed.map(async ([collection, key]): Promise<ShardStep> => {
      const pattern = { [key.field]: key.kind === 'hashed' ? ('hashed' as const) : (1 as const) };
      const namespace = `${db.databaseName}.${collection}`;
      const own = db.collection(collection);
      const isHashed = key.kind === 'hashed';
      return {
        collection,
        isOwn: !platformCollections.has(collection),
        obstacles: (await existingIndexes(own))
          .filter((index) => index.unique === true && (isHashed || Object.keys(index.key)[0] !== key.field))
          .map(({ name }) => `db.getCollection(${quote(collection)}).dropIndex(${quote(name)})`),
        commands: [
          // A collection with documents needs the index first.
          ...(isHashed ? [`db.getCollection(${quote(collection)}).createIndex(${shell(pattern)})`] : []),
          `sh.shardCollection(${quote(namespace)}, ${shell(pattern)})`,
        ],
        async run() {
          if (isHashed) await own.createIndex(pattern);
          await db.admin().command({ shardCollection: namespace, key: pattern });
        },
      };
    }),
  );
}

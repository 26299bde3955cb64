import { crc32 } from 'node:zlib';
import { groupBy } from '../../platform/lists.js';
import type { PresenceEntry, PresenceStore } from './index.js';
import { createRedisPresence, type LeasedPresenceStore, type RedisPresenceOptions } from './redis.js';

/** Partitions in a Redis Cluster. Nodes with another number would look for users in the wrong place. */
const PARTITIONS = 16;

/**
 * Presence in a Redis Cluster. A user belongs to one of {@link PARTITIONS} partitions, by the id. The keys of a partition
 * have the same hash tag, so they are on one master and a script touches one slot. In each partition a node has a lease of
 * its own, and each partition expires leases and reports users by itself; so a crash between two partitions leaves each of
 * them whole. A single Redis has one partition, with the keys that earlier versions use.
 */
export const createSharedPresence = (options: RedisPresenceOptions): LeasedPresenceStore =>
  options.redis.isCluster ? createPartitionedPresence(options) : createRedisPresence(options);

function createPartitionedPresence(options: RedisPresenceOptions): LeasedPresenceStore {
  const partitions = Array.from({ length: PARTITIONS }, (_, i) =>
    createRedisPresence({ ...options, keyPrefix: `${options.keyPrefix}{${i}}:` }),
  );
  const partitionOf = (userId: string): LeasedPresenceStore => at(partitions, crc32(userId) % PARTITIONS);

  /** Asks each partition that concerns some of the users. */
  const ask = <T>(
    userIds: readonly string[],
    question: (partition: PresenceStore, userIds: readonly string[]) => Promise<T>,
  ): Promise<T[]> => {
    const groups = groupBy(userIds, partitionOf);
    return Promise.all(Array.from(groups, ([partition, group]) => question(partition, group)));
  };

  return {
    async start(events) {
      const started = await Promise.all(partitions.map((partition) => partition.start(events)));
      return { isAlone: started.every(({ isAlone }) => isAlone) };
    },
    add: (entry: PresenceEntry) => partitionOf(entry.userId).add(entry),
    remove: (entry: PresenceEntry) => partitionOf(entry.userId).remove(entry),
    async get(userIds) {
      const answers = await ask(userIds, (partition, group) => partition.get(group));
      const found = new Map(answers.flat().map((presence) => [presence.userId, presence]));
      return userIds.map((userId) => at(found, userId));
    },
    async presentAmong(userIds) {
      const answers = await ask(userIds, (partition, group) => partition.presentAmong(group));
      return new Set(answers.flatMap((present) => [...present]));
    },
    async hasSockets() {
      const answers = await Promise.all(partitions.map((partition) => partition.hasSockets()));
      return answers.includes(true);
    },
    placesOf: (userId) => partitionOf(userId).placesOf(userId),
    socketsOf: (userId, range) => partitionOf(userId).socketsOf(userId, range),
    // Nodes that are alive are so in each partition.
    nodes: () => at(partitions, 0).nodes(),
    async stop() {
      await Promise.all(partitions.map((partition) => partition.stop()));
    },
    leaseAgeMs() {
      const ages = partitions.map((partition) => partition.leaseAgeMs()).filter((age) => age !== undefined);
      return ages.length === 0 ? undefined : Math.max(...ages);
    },
  };
}

function at<K, T>(values: { at(key: K): T | undefined } | { get(key: K): T | undefined }, key: K): T {
  const value = 'get' in values ? values.get(key) : values.at(key);
  if (value === undefined) throw new Error('a partition has no answer');
  return value;
}

import type { Model } from 'mongoose';
import type { SiteMember } from '#shared/models/site-member.js';
import { createBatcher } from '../../platform/concurrency/batcher.js';
import { keyOf, type Recipient } from '../../realtime/delivery/message.js';

/** Maximum users in one database call. */
const GROUP_MAX = 1000;

/** The users in the shared rooms of a site, including users who are offline. */
export type Members = ReturnType<typeof createMembers>;

/** Stores members in the database, shared by all nodes and kept over restarts. */
export function createMembers(model: Model<SiteMember>) {
  const rememberAll = async (entries: readonly Entry[]): Promise<readonly Entry[]> => {
    // If a batch contains several connects of a user, the last one wins.
    const byUser = new Map(entries.map((entry) => [keyOf(entry.user), entry]));
    const updates = [...byUser].map(([_id, { user, rooms }]) => ({
      updateOne: { filter: { _id }, update: { $set: { ...user, rooms: [...rooms] } }, upsert: true },
    }));
    await model.bulkWrite(updates, { ordered: false });
    return entries;
  };
  const remember = createBatcher(rememberAll, GROUP_MAX);

  return {
    /** Replaces the rooms of a user, on connect. */
    async remember(user: Recipient, rooms: readonly string[]): Promise<void> {
      await remember({ user, rooms });
    },

    /** The users in any of the rooms, without duplicates. */
    async in(site: string, rooms: readonly string[]): Promise<string[]> {
      if (rooms.length === 0) return [];
      const found = await model.find({ site, rooms: { $in: [...rooms] } }, { _id: 0, userId: 1 }).lean();
      // What another service stored in its place is no user.
      return found.flatMap(({ userId }) => (typeof userId === 'string' ? userId : []));
    },
  };
}

interface Entry {
  readonly user: Recipient;
  readonly rooms: readonly string[];
}

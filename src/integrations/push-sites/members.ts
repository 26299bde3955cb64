import type { Model } from 'mongoose';
import type { SiteMember } from '#shared/models/site-member.js';
import { createBatcher } from '../../platform/batcher.js';
import { keyOf, type Recipient } from '../../realtime/delivery/message.js';

/** Users that one database call remembers. */
const GROUP_MAX = 1000;

/** Which users are in the shared rooms of a site, also while they are away. */
export type Members = ReturnType<typeof createMembers>;

/** Members over the database: the same on every node, and after a restart. */
export function createMembers(model: Model<SiteMember>) {
  const rememberAll = async (entries: readonly Entry[]): Promise<readonly Entry[]> => {
    // Of several connects of one user the last one counts.
    const byUser = new Map(entries.map((entry) => [keyOf(entry.user), entry]));
    const updates = [...byUser].map(([_id, { user, rooms }]) => ({
      updateOne: { filter: { _id }, update: { $set: { ...user, rooms: [...rooms] } }, upsert: true },
    }));
    await model.bulkWrite(updates, { ordered: false });
    return entries;
  };
  const remember = createBatcher(rememberAll, GROUP_MAX);

  return {
    /** A user has connected; these are their rooms from now on, and no other. */
    async remember(user: Recipient, rooms: readonly string[]): Promise<void> {
      await remember({ user, rooms });
    },

    /** The users who are in any of the rooms, each once. */
    async in(site: string, rooms: readonly string[]): Promise<string[]> {
      if (rooms.length === 0) return [];
      const found = await model.find({ site, rooms: { $in: [...rooms] } }, { _id: 0, userId: 1 }).lean();
      return found.map(({ userId }) => userId);
    },
  };
}

interface Entry {
  readonly user: Recipient;
  readonly rooms: readonly string[];
}

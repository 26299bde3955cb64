import { isObjectIdOrHexString, type Types } from 'mongoose';
import type { Models } from '#shared/models/index.js';
import type { Person } from '../../users/index.js';
import { ChatError } from './chat-error.js';

/** Blocks of one user that are read. */
const BLOCKS_MAX = 10_000;

type Blocker = Pick<Person, '_id' | 'blocked'>;

/** Who has blocked whom (`blockedUsers`). A block counts in both directions; ids are ObjectIds in lower case. */
export type Blocks = ReturnType<typeof createBlocks>;

export function createBlocks({ User }: Pick<Models, 'User'>) {
  /** Everybody with whom a user has a block. */
  const all = async (user: Types.ObjectId, blocked: readonly string[]): Promise<Set<string>> => {
    const averse = await User.find({ blockedUsers: user }, { _id: 1 }).limit(BLOCKS_MAX).lean();
    return new Set([...blocked, ...averse.map(({ _id }) => _id.toHexString())]);
  };

  return {
    all,
    /** The same for a user of whom only the id is known; nobody for a user who does not exist. */
    async of(userId: string): Promise<Set<string>> {
      if (!isObjectIdOrHexString(userId)) return new Set();
      const user = await User.findById(userId, { blockedUsers: 1 }).lean();
      return user === null ? new Set() : all(user._id, (user.blockedUsers ?? []).map(String));
    },
    /** Those of some users with whom a user has a block. */
    async among({ _id, blocked }: Blocker, others: readonly Types.ObjectId[]): Promise<Set<string>> {
      if (others.length === 0) return new Set();
      const averse = await User.find({ _id: { $in: [...others] }, blockedUsers: _id }, { _id: 1 }).lean();
      const own = others.map((id) => id.toHexString()).filter((id) => blocked.includes(id));
      return new Set([...own, ...averse.map((user) => user._id.toHexString())]);
    },
  };
}

/** Whether one of two people has blocked the other. */
export const isBlockBetween = (one: Person, other: Person): boolean =>
  one.blocked.includes(other.id) || other.blocked.includes(one.id);

/** Whether two people belong to one account. Users without an account count as of one common account. */
export const isSameAccount = (one: Person, other: Person): boolean => one.account === other.account;

export const blockedUser = () => new ChatError('FORBIDDEN', 'Cannot send message to a blocked user');

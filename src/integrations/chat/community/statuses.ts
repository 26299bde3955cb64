import { isObjectIdOrHexString, Types } from 'mongoose';
import type { z } from 'zod';
import type { communityPayloads, personPresence } from '#shared/contracts/community-parts.js';
import type { User } from '#shared/models/user.js';
import type { Principal } from '../../../auth/principal.js';
import type { Context } from '../../../framework/context.js';
import type { Blocks, Entrance, UserCaller } from '../shared/index.js';
import type { ChatsAccess } from './access.js';
import type { Community } from './acquaintances.js';
import type { Budget } from './budget.js';
import type { Tell } from './tell.js';

interface Dependencies extends Pick<Context, 'models' | 'clock' | 'presence'> {
  blocks: Blocks;
  budget: Budget;
  entrance: Entrance;
  access: ChatsAccess;
  community: Community;
  tell: Tell;
}

/** A user and their presence. */
export type PersonPresence = z.output<typeof personPresence>;

/** People whom one answer is about. */
const ANSWER_MAX = 500;

/** How people want to be seen, and who is there. */
export function createStatuses(dependencies: Dependencies) {
  const { models, clock, presence, blocks, budget, entrance, access, community, tell } = dependencies;

  /** Of people of whom the caller may know; those between whom and the caller there is a block are left out. */
  const look = async (caller: UserCaller, ids: readonly string[]): Promise<PersonPresence[]> => {
    const asked = ids.slice(0, ANSWER_MAX);
    if (asked.length === 0) return [];
    const blocked = await blocks.among(
      caller,
      asked.map((id) => new Types.ObjectId(id)),
    );
    const allowed = asked.filter((id) => !blocked.has(id));
    const users = await models.User.find({ _id: { $in: allowed } }, { presenceStatus: 1, lastSeen: 1 }).lean();
    const here = await presence.get(users.map(({ _id }) => _id.toHexString()));
    return users.map((user, index) => toPersonPresence(user, here[index]?.online === true));
  };

  const askedFor = async (principal: Principal, asked: z.output<typeof communityPayloads.online>) => {
    if ('chatId' in asked) {
      const { caller, chat } = await access.open(principal, asked.chatId);
      return { caller, ids: chat.participants.map((id) => id.toHexString()).filter((id) => id !== caller.id) };
    }
    const caller = await entrance.userOf(principal);
    return { caller, ids: [...(await community.among(caller, asked.userIds))] };
  };

  return {
    look,

    async update(principal: Principal, status: NonNullable<User['presenceStatus']>): Promise<PersonPresence> {
      await budget.spend('status', principal);
      const caller = await entrance.userOf(principal);
      const now = new Date(clock.now());
      await models.User.updateOne(
        { _id: caller._id },
        { presenceStatus: status, lastSeen: now },
        { timestamps: false },
      );
      const lastSeen = now.toISOString();
      const [{ userIds }, blocked] = await Promise.all([
        community.of(caller.id),
        blocks.all(caller._id, caller.blocked),
      ]);
      tell.people(
        { userIds, groups: caller.groups, except: [caller.id, ...blocked] },
        { event: 'presence:status_changed', payload: { userId: caller.id, status, lastSeen, timestamp: lastSeen } },
      );
      return { userId: caller.id, status, lastSeen };
    },

    async getOnline(principal: Principal, asked: z.output<typeof communityPayloads.online>) {
      const { caller, ids } = await askedFor(principal, asked);
      const users = await look(caller, ids);
      return { online: users.filter(({ status }) => status !== 'offline').map(({ userId }) => userId), users };
    },

    /** A user came online: updates `lastSeen`, by which online users are found among many. */
    async seen(userId: string): Promise<void> {
      if (!isObjectIdOrHexString(userId)) return;
      const lastSeen = new Date(clock.now());
      await models.User.updateOne({ _id: userId }, { lastSeen }, { timestamps: false });
    },
  };
}

/** @param isOnline whether the user has a socket anywhere; without one the status is offline */
export const toPersonPresence = (
  { _id, presenceStatus, lastSeen }: Pick<User, 'presenceStatus' | 'lastSeen'> & { _id: { toHexString(): string } },
  isOnline: boolean,
): PersonPresence => ({
  userId: _id.toHexString(),
  status: isOnline ? (presenceStatus ?? 'online') : 'offline',
  lastSeen: lastSeen?.toISOString() ?? null,
});

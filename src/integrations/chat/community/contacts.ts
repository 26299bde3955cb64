import { isObjectIdOrHexString, Types } from 'mongoose';
import type { Models } from '#shared/models/index.js';
import type { groupTypes } from '#shared/models/user.js';
import type { Contacts } from '../../../framework/integration.js';
import { storedForms } from '../../../models/index.js';
import { rooms } from '../../../realtime/rooms.js';
import type { Blocks } from '../shared/index.js';

/** Maximum number of chats examined: the last active ones. */
const CHATS_MAX = 500;
const PEOPLE_MAX = 5000;

type GroupType = (typeof groupTypes)[number];

/** The users with whom a user shares a chat or a group. */
export interface Community {
  /** Users of chats by id; groups as rooms. */
  of(userId: string): Promise<Contacts>;
  /** The given users who share a chat or a group with a user. @returns also how many chats were examined */
  among(
    user: { _id: Types.ObjectId; groups: readonly string[] },
    ids: readonly string[],
  ): Promise<{ known: Set<string>; examined: number }>;
}

export function createCommunity({ Chat, User }: Pick<Models, 'Chat' | 'User'>, blocks: Blocks): Community {
  const newestPeople = async (user: Types.ObjectId): Promise<Set<string>> => {
    const chats = await Chat.find({ participants: user }, { participants: { $slice: PEOPLE_MAX } })
      .sort({ lastActivity: -1, _id: -1 })
      .limit(CHATS_MAX)
      .lean();
    return new Set(chats.flatMap(({ participants }) => participants.map((id) => id.toHexString())));
  };

  return {
    async of(userId) {
      if (!isObjectIdOrHexString(userId)) return { userIds: [], rooms: [] };
      const user = await User.findById(userId, { blockedUsers: 1, joinedGroups: 1 }).lean();
      if (user === null) return { userIds: [], rooms: [] };
      const own = (user.blockedUsers ?? []).map(String);
      const [people, blocked] = await Promise.all([newestPeople(user._id), blocks.all(user._id, own)]);
      people.delete(user._id.toHexString());
      const userIds = [...people].filter((id) => !blocked.has(id)).slice(0, PEOPLE_MAX);
      return { userIds, rooms: (user.joinedGroups ?? []).flatMap(({ groupType }) => groupType ?? []).map(rooms.group) };
    },

    async among({ _id, groups }, ids) {
      const asked = ids.map((id) => new Types.ObjectId(id));
      const forms = storedForms(...asked);
      const [[shared], members] = await Promise.all([
        Chat.aggregate<{ chats: number; people: (Types.ObjectId | string)[][] }>([
          { $match: { $and: [{ participants: _id }, { participants: { $in: asked } }] } },
          { $limit: PEOPLE_MAX },
          // Another service may have stored a value that is not a list.
          {
            $project: {
              people: { $cond: [{ $isArray: '$participants' }, { $setIntersection: ['$participants', forms] }, []] },
            },
          },
          { $group: { _id: null, chats: { $sum: 1 }, people: { $push: '$people' } } },
        ]),
        groups.length === 0
          ? []
          : User.find(
              { _id: { $in: asked }, 'joinedGroups.groupType': { $in: [...groups] as GroupType[] } },
              { _id: 1 },
            ).lean(),
      ]);
      const found = [...(shared?.people.flat() ?? []), ...members.map((member) => member._id)];
      return { known: new Set(found.map(String)), examined: shared?.chats ?? 0 };
    },
  };
}

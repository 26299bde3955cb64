import { Types } from 'mongoose';
import type { Chat } from '#shared/models/chat.js';
import type { Models } from '#shared/models/index.js';
import type { groupTypes } from '#shared/models/user.js';
import type { Contacts } from '../../../framework/integration.js';
import { readStored, storedForms } from '../../../models/index.js';
import { rooms } from '../../../realtime/rooms.js';
import { type Blocks, createNewestByUser } from '../shared/index.js';

/** Maximum number of chats of one user that are examined: the last active ones. */
const CHATS_MAX = 500;
const PEOPLE_MAX = 5000;
/** Users in one query, and the chats that it reads. Beyond them each user is read alone. */
const GROUP_MAX = 100;
const GROUP_CHATS_MAX = 2000;
/** Participants of all chats of one query. */
const GROUP_NAMES_MAX = 20_000;

type StoredChat = Pick<Chat, 'participants'>;

/** A chat of which users ask who is in it. */
interface Shown extends StoredChat {
  /** Its participants as text, made once for all who ask. */
  readonly names: readonly string[];
}

const firstParticipants = { _id: 1, participants: { $slice: PEOPLE_MAX } } as const;

type GroupType = (typeof groupTypes)[number];

/** The users with whom a user shares a chat or a group. */
export interface Community {
  /** Users of chats by id, also those with a block; groups as rooms. @param ids ObjectIds in lower case */
  of(ids: readonly string[]): Promise<ReadonlyMap<string, Contacts>>;
  /** The given users who share a chat or a group with a user. @returns also how many participants of chats were examined */
  among(
    user: { _id: Types.ObjectId; groups: readonly string[] },
    ids: readonly string[],
  ): Promise<{ known: Set<string>; examined: number }>;
}

/** Reads are bounded: the last active chats of a user count, and the first participants of a chat. */
export function createCommunity(
  { Chat, User }: Pick<Models, 'Chat' | 'User'>,
  blocks: Pick<Blocks, 'withUsers'>,
): Community {
  /** Through the driver: Mongoose takes a tenth to a third longer, because it converts each id. */
  const newest = async (participants: object, limit: number): Promise<Shown[]> => {
    const options = { projection: firstParticipants, sort: { lastActivity: -1, _id: -1 }, limit } as const;
    const found = await Chat.collection.find({ participants }, options).toArray();
    return found.map((chat) => {
      const { participants } = readStored<StoredChat>(Chat as never, chat, firstParticipants);
      return { participants, names: participants.map((id) => id.toHexString()) };
    });
  };

  const chatsOf = createNewestByUser<Shown>({
    find: newest,
    usersOf: ({ names }) => names,
    ownMax: CHATS_MAX,
    usersMax: GROUP_MAX,
    documentsMax: GROUP_CHATS_MAX,
    namesMax: GROUP_NAMES_MAX,
  });

  return {
    async of(ids) {
      const [users, chats] = await Promise.all([blocks.withUsers(ids), chatsOf(ids)]);
      const contacts = new Map<string, Contacts>();
      for (const id of ids) {
        const user = users.get(id);
        if (user === undefined) continue;
        const known = new Set(chats.get(id)?.flatMap(({ names }) => names));
        known.delete(id);
        contacts.set(id, { userIds: [...known], rooms: user.relations.groups.map(rooms.group) });
      }
      return contacts;
    },

    async among({ _id, groups }, ids) {
      const asked = ids.map((id) => new Types.ObjectId(id));
      const forms = storedForms(...asked);
      const [[shared], members] = await Promise.all([
        Chat.aggregate<{ examined: number; people: (Types.ObjectId | string)[][] }>([
          { $match: { $and: [{ participants: _id }, { participants: { $in: asked } }] } },
          { $limit: PEOPLE_MAX },
          // Another service may have stored a value that is not a list.
          { $project: { participants: { $cond: [{ $isArray: '$participants' }, '$participants', []] } } },
          {
            $group: {
              _id: null,
              examined: { $sum: { $size: '$participants' } },
              people: { $push: { $setIntersection: ['$participants', forms] } },
            },
          },
        ]),
        groups.length === 0
          ? []
          : User.find(
              { _id: { $in: asked }, 'joinedGroups.groupType': { $in: [...groups] as GroupType[] } },
              { _id: 1 },
            ).lean(),
      ]);
      const found = [...(shared?.people.flat() ?? []), ...members.map((member) => member._id)];
      return { known: new Set(found.map(String)), examined: shared?.examined ?? 0 };
    },
  };
}

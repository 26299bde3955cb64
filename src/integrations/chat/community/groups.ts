import type { Types } from 'mongoose';
import type { z } from 'zod';
import type { groupType as groupTypeSchema } from '#shared/contracts/community-parts.js';
import { chatNamespace } from '#shared/contracts/namespaces.js';
import type { User } from '#shared/models/user.js';
import type { Principal } from '../../../auth/principal.js';
import type { Context } from '../../../framework/context.js';
import { rooms } from '../../../realtime/rooms.js';
import { type Blocks, ChatError, type Entrance, nameOf, type UserCaller } from '../shared/index.js';
import type { Budget } from './budget.js';
import { type PersonPresence, toPersonPresence } from './statuses.js';
import type { Tell } from './tell.js';

interface Dependencies extends Pick<Context, 'models' | 'clock' | 'presence' | 'emitter'> {
  blocks: Blocks;
  budget: Budget;
  entrance: Entrance;
  tell: Tell;
}

type GroupType = z.output<typeof groupTypeSchema>;

/** A socket, as its handler knows it. */
interface Here {
  readonly principal: Principal;
  enter(room: string): void;
  leave(room: string): void;
}

type StoredMember = User & { _id: Types.ObjectId };

/** Members who are looked at, of those who were seen last, and how many at a time. */
const LOOKED_AT_MAX = 2000;
const CHUNK = 500;

/** The groups of the community. Who is a member is said by the user, and read again for each event. */
export function createGroups({ models, clock, presence, emitter, budget, blocks, entrance, tell }: Dependencies) {
  const ensureMember = async (principal: Principal, type: GroupType): Promise<UserCaller> => {
    const caller = await entrance.userOf(principal);
    if (!caller.groups.includes(type)) {
      // Another service may have removed them without notice.
      emitter.leaveRoom({ namespaces: [chatNamespace], rooms: [rooms.user(caller.id)] }, rooms.group(type));
      throw new ChatError('NOT_FOUND', 'Group not found or access denied');
    }
    return caller;
  };

  const tellOthers = async ({ _id, id, name, blocked }: UserCaller, type: GroupType, event: string): Promise<void> => {
    const payload = { groupType: type, userId: id, userName: name, timestamp: new Date(clock.now()).toISOString() };
    const except = [id, ...(await blocks.all(_id, blocked))];
    tell.people({ userIds: [], groups: [type], except }, { event, payload });
  };

  return {
    async join({ principal, enter }: Here, type: GroupType): Promise<void> {
      const caller = await ensureMember(principal, type);
      enter(rooms.group(type));
      await tellOthers(caller, type, 'group:user_joined');
    },

    async leave({ principal, leave }: Here, type: GroupType): Promise<void> {
      const caller = await ensureMember(principal, type);
      leave(rooms.group(type));
      await tellOthers(caller, type, 'group:user_left');
    },

    /** Online members, including the caller. Users who came online last are found first. */
    async getOnline(principal: Principal, { groupType, limit }: { groupType: GroupType; limit: number }) {
      await budget.spend('members', principal);
      const caller = await ensureMember(principal, groupType);
      const blocked = await blocks.all(caller._id, caller.blocked);
      const users: (PersonPresence & { userName: string })[] = [];
      for await (const found of readMembers(groupType)) {
        const members = found.filter(({ _id }) => !blocked.has(_id.toHexString()));
        const here = await presence.get(members.map(({ _id }) => _id.toHexString()));
        const online = members.filter((_member, index) => here[index]?.online === true);
        users.push(...online.map((user) => ({ ...toPersonPresence(user, true), userName: nameOf(user) })));
        if (users.length >= limit) break;
      }
      return { groupType, users: users.slice(0, limit) };
    },
  };

  /** In chunks of one snapshot, so that no user is in two of them. */
  async function* readMembers(type: GroupType): AsyncGenerator<StoredMember[]> {
    const members = models.User.find(
      { 'joinedGroups.groupType': type },
      { name: 1, firstName: 1, lastName: 1, presenceStatus: 1, lastSeen: 1 },
    )
      .sort({ lastSeen: -1 })
      .limit(LOOKED_AT_MAX)
      .lean<StoredMember>()
      .cursor({ batchSize: CHUNK });
    let chunk: StoredMember[] = [];
    for await (const member of members) {
      chunk.push(member);
      if (chunk.length < CHUNK) continue;
      yield chunk;
      chunk = [];
    }
    if (chunk.length > 0) yield chunk;
  }
}

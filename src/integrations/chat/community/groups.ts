import type { Types } from 'mongoose';
import type { z } from 'zod';
import type { groupType as groupTypeSchema } from '#shared/contracts/community-parts.js';
import { chatNamespace } from '#shared/contracts/namespaces.js';
import type { User } from '#shared/models/user.js';
import type { Principal } from '../../../auth/principal.js';
import type { Context } from '../../../framework/context.js';
import type { Coalescer } from '../../../platform/coalescer.js';
import { rooms } from '../../../realtime/rooms.js';
import { type Blocks, ChatError, type Entrance, nameOf, type UserCaller } from '../shared/index.js';
import type { ActiveViewers } from './active-viewers.js';
import type { Budget } from './budget.js';
import { type PersonPresence, toPersonPresence } from './statuses.js';
import type { Tell } from './tell.js';

interface Dependencies extends Pick<Context, 'models' | 'clock' | 'logger' | 'presence' | 'emitter'> {
  blocks: Blocks;
  budget: Budget;
  activeViewers: ActiveViewers;
  coalescer: Coalescer;
  entrance: Entrance;
  tell: Tell;
}

type GroupType = z.output<typeof groupTypeSchema>;

/** A socket, as its handler knows it. */
interface Here {
  readonly principal: Principal;
  readonly socketId: string;
  enter(room: string): void;
  leave(room: string): void;
}

type GroupEvent = 'group:user_joined' | 'group:user_left';

/** The name of a group among the chats of the active viewers. */
const placeOf = (type: GroupType): string => `group:${type}`;

type StoredMember = User & { _id: Types.ObjectId };

/** Members who are looked at, of those who were seen last, and how many at a time. */
const LOOKED_AT_MAX = 2000;
const CHUNK = 500;

/** The groups of the community. Who is a member is said by the user, and read again for each event. */
export function createGroups(dependencies: Dependencies) {
  const { models, clock, logger, presence, emitter, budget, blocks } = dependencies;
  const { activeViewers, coalescer, entrance, tell } = dependencies;

  const ensureMember = async (principal: Principal, type: GroupType): Promise<UserCaller> => {
    const caller = await entrance.userOf(principal);
    if (!caller.groups.includes(type)) {
      // Another service may have removed them without notice.
      emitter.leaveRoom({ namespaces: [chatNamespace], rooms: [rooms.user(caller.id)] }, rooms.group(type));
      throw new ChatError('NOT_FOUND', 'Group not found or access denied');
    }
    return caller;
  };

  const tellOthers = async ({ _id, id, name, blocked }: UserCaller, type: GroupType, event: GroupEvent) => {
    const payload = { groupType: type, userId: id, userName: name, timestamp: new Date(clock.now()).toISOString() };
    try {
      const except = [id, ...(await blocks.all(_id, blocked))];
      tell.people({ userIds: [], groups: [type], except }, { event, payload });
    } catch (error) {
      logger.warn({ err: error, event }, 'community: notifying a group failed');
    }
  };

  /** Sends whether the user has a socket in the group now, on any node. */
  const tellState = async (principal: Principal, type: GroupType): Promise<void> => {
    try {
      const caller = await entrance.userOf(principal);
      const isThere =
        caller.groups.includes(type) && (await activeViewers.absentFrom(placeOf(type), [caller.id])).length === 0;
      await tellOthers(caller, type, isThere ? 'group:user_joined' : 'group:user_left');
    } catch (error) {
      logger.warn({ err: error }, 'community: notifying a group failed');
    }
  };

  /** @param move the socket joins or leaves the group; called when the notification is paid for */
  const change = async (
    { principal }: Here,
    { type, event }: { type: GroupType; event: GroupEvent },
    move: (caller: UserCaller) => Promise<void>,
  ): Promise<void> => {
    const caller = await ensureMember(principal, type);
    const key = `group ${type} ${caller.id}`;
    if (coalescer.isNew(key)) {
      await budget.pay(principal, { receivers: emitter.sizeHere([chatNamespace], rooms.group(type)) });
    }
    await move(caller);
    await coalescer.offer(key, {
      now: () => tellOthers(caller, type, event),
      later: () => tellState(principal, type),
    });
  };

  return {
    join: (here: Here, type: GroupType): Promise<void> =>
      change(here, { type, event: 'group:user_joined' }, async ({ id }) => {
        here.enter(rooms.group(type));
        await activeViewers.enter({ socketId: here.socketId, userId: id }, placeOf(type));
      }),

    leave: (here: Here, type: GroupType): Promise<void> =>
      change(here, { type, event: 'group:user_left' }, async ({ id }) => {
        await activeViewers.leave({ socketId: here.socketId, userId: id }, placeOf(type));
        here.leave(rooms.group(type));
      }),

    /** Online members, including the caller. Users who came online last are found first. */
    async getOnline(principal: Principal, { groupType, limit }: { groupType: GroupType; limit: number }) {
      await budget.spend('members', principal);
      const caller = await ensureMember(principal, groupType);
      const blocked = await blocks.all(caller._id, caller.blocked);
      const users: (PersonPresence & { userName: string })[] = [];
      for await (const found of readMembers(groupType)) {
        await budget.pay(principal, { examined: found.length });
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

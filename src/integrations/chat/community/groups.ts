import type { Types } from 'mongoose';
import type { z } from 'zod';
import type { groupType as groupTypeSchema } from '#shared/contracts/community-parts.js';
import { chatNamespace } from '#shared/contracts/namespaces.js';
import type { User } from '#shared/models/user.js';
import type { Principal } from '../../../auth/principal.js';
import type { Context } from '../../../framework/context.js';
import type { Coalescer } from '../../../platform/concurrency/coalescer.js';
import { createKeyedMutex } from '../../../platform/concurrency/keyed-mutex.js';
import type { Settling } from '../../../platform/concurrency/settling.js';
import { rooms } from '../../../realtime/rooms.js';
import { type Authentication, type Blocks, ChatError, nameOf, type UserCaller } from '../shared/index.js';
import type { ActiveViewers } from './active-viewers.js';
import type { Publisher } from './publisher.js';
import type { RateLimits } from './rate-limits.js';
import type { EventSocket } from './room.js';
import { type PersonPresence, toPersonPresence } from './statuses.js';

interface Dependencies extends Pick<Context, 'models' | 'clock' | 'config' | 'logger' | 'presence' | 'emitter'> {
  blocks: Blocks;
  rateLimits: RateLimits;
  activeViewers: ActiveViewers;
  coalescer: Coalescer;
  settling: Settling;
  authentication: Authentication;
  publisher: Publisher;
}

type GroupType = z.output<typeof groupTypeSchema>;

type GroupEvent = 'group:user_joined' | 'group:user_left';

interface Change {
  readonly type: GroupType;
  readonly event: GroupEvent;
}

/** The comings and goings of one user in one group. */
const keyOf = (type: GroupType, userId: string): string => `group ${type} ${userId}`;

type Move = (caller: UserCaller) => Promise<void>;

/** The name of a group among the chats of the active viewers. */
const placeOf = (type: GroupType): string => `group:${type}`;

type StoredMember = User & { _id: Types.ObjectId };

/** Maximum number of members examined, last seen first, and in one query. */
const LOOKED_AT_MAX = 2000;
const CHUNK = 500;

/** The groups of the community. Membership is stored in the user, and read again for each event. */
export function createGroups(dependencies: Dependencies) {
  const { models, clock, config, logger, presence, emitter, rateLimits, blocks } = dependencies;
  const { activeViewers, coalescer, settling, authentication, publisher } = dependencies;
  const mutex = createKeyedMutex({ clock, waitMs: config.sockets.turnWaitMs });

  const ensureMember = async (principal: Principal, type: GroupType): Promise<UserCaller> => {
    const caller = await authentication.userOf(principal);
    if (!caller.groups.includes(type)) {
      // Another service may have removed the user without notification.
      emitter.leaveRoom({ namespaces: [chatNamespace], rooms: [rooms.user(caller.id)] }, rooms.group(type));
      throw new ChatError('NOT_FOUND', 'Group not found or access denied');
    }
    return caller;
  };

  /** Sends that a user is in a group or not, and later what is so if that is something else. */
  const publishOthers = async (principal: Principal, caller: UserCaller, { type, event }: Change): Promise<void> => {
    const { _id, id, name, blocked } = caller;
    const payload = { groupType: type, userId: id, userName: name, timestamp: new Date(clock.now()).toISOString() };
    try {
      const except = [id, ...(await blocks.all(_id, blocked))];
      publisher.people({ userIds: [], groups: [type], except }, { event, payload });
      settling.settle(keyOf(type, id), {
        sent: event === 'group:user_joined',
        read: () => activeViewers.has(placeOf(type), id),
        send: () => coalescer.correct(keyOf(type, id), { later: () => publishState(principal, type) }),
      });
    } catch (error) {
      logger.warn({ err: error, name: event }, 'community: notifying a group failed');
    }
  };

  /** Sends whether the user has a socket in the group, on any node. */
  const publishState = async (principal: Principal, type: GroupType): Promise<void> => {
    try {
      const caller = await authentication.userOf(principal);
      const isThere = caller.groups.includes(type) && (await activeViewers.has(placeOf(type), caller.id)) === true;
      await publishOthers(principal, caller, { type, event: isThere ? 'group:user_joined' : 'group:user_left' });
    } catch (error) {
      logger.warn({ err: error }, 'community: notifying a group failed');
    }
  };

  /** With another socket. Without Redis none is known. */
  const isStillThere = (type: GroupType, { id }: UserCaller): Promise<boolean> =>
    activeViewers.has(placeOf(type), id).then(
      (isThere) => isThere === true,
      () => false,
    );

  /**
   * In the order in which the socket asked, so that it ends where it asked last.
   * @param move the socket joins or leaves the group; called when the notification is paid for
   */
  const change = (here: EventSocket, to: Change, move: Move): Promise<void> =>
    mutex.run([`${here.socketId} ${to.type}`], () => changeNow(here, to, move));

  const changeNow = async ({ principal }: EventSocket, { type, event }: Change, move: Move): Promise<void> => {
    const caller = await ensureMember(principal, type);
    const key = keyOf(type, caller.id);
    if (coalescer.isNew(key)) {
      await rateLimits.pay(principal, { receivers: emitter.sizeHere([chatNamespace], rooms.group(type)) });
    }
    await move(caller);
    await coalescer.offer(key, {
      async now() {
        const isMove = event === 'group:user_joined' || !(await isStillThere(type, caller));
        if (isMove) await publishOthers(principal, caller, { type, event });
      },
      later: () => publishState(principal, type),
    });
  };

  return {
    join: (here: EventSocket, type: GroupType): Promise<void> =>
      change(here, { type, event: 'group:user_joined' }, async ({ id }) => {
        here.enter(rooms.group(type));
        await activeViewers.enter({ socketId: here.socketId, userId: id }, placeOf(type));
      }),

    leave: (here: EventSocket, type: GroupType): Promise<void> =>
      change(here, { type, event: 'group:user_left' }, async ({ id }) => {
        await activeViewers.leave({ socketId: here.socketId, userId: id }, placeOf(type));
        here.leave(rooms.group(type));
      }),

    /** Online members, including the caller. Users who came online last are found first. */
    async getOnline(principal: Principal, { groupType, limit }: { groupType: GroupType; limit: number }) {
      const caller = await ensureMember(principal, groupType);
      const blocked = await blocks.all(caller._id, caller.blocked);
      const users: (PersonPresence & { userName: string })[] = [];
      for await (const found of readMembers(groupType)) {
        await rateLimits.pay(principal, { examined: found.length });
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

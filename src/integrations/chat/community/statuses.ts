import { Types } from 'mongoose';
import type { z } from 'zod';
import type { communityPayloads, personPresence } from '#shared/contracts/community-parts.js';
import { chatNamespace } from '#shared/contracts/namespaces.js';
import type { User } from '#shared/models/user.js';
import type { Principal } from '../../../auth/principal.js';
import type { Context } from '../../../framework/context.js';
import type { Coalescer } from '../../../platform/concurrency/coalescer.js';
import type { Settling } from '../../../platform/concurrency/settling.js';
import { rooms } from '../../../realtime/rooms.js';
import type { Authentication, Blocks, UserCaller } from '../shared/index.js';
import type { ChatsAccess } from './access.js';
import type { Community } from './contacts.js';
import type { Publisher } from './publisher.js';
import type { RateLimits } from './rate-limits.js';

interface Dependencies extends Pick<Context, 'models' | 'clock' | 'logger' | 'presence' | 'emitter'> {
  blocks: Blocks;
  rateLimits: RateLimits;
  coalescer: Coalescer;
  settling: Settling;
  authentication: Authentication;
  access: ChatsAccess;
  community: Community;
  publisher: Publisher;
}

/** A user and their presence. */
export type PersonPresence = z.output<typeof personPresence>;

/** A stored status. */
interface Status {
  readonly presenceStatus: NonNullable<User['presenceStatus']>;
  readonly lastSeen: Date;
}

type Audience = Parameters<Publisher['people']>[0] & { readonly groups: readonly string[] };

/** Maximum number of users in one answer. */
const ANSWER_MAX = 500;

/** The statuses that users set, and their presence. */
export function createStatuses(dependencies: Dependencies) {
  const { models, clock, logger, presence, emitter, blocks } = dependencies;
  const { rateLimits, coalescer, settling, authentication, access, community, publisher } = dependencies;

  const nowIso = (): string => new Date(clock.now()).toISOString();

  /** Reads the statuses of the caller's contacts, without users with a block. */
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
      await rateLimits.pay(principal, { examined: Math.min(chat.participants.length, ANSWER_MAX) });
      return { caller, ids: chat.participants.map((id) => id.toHexString()).filter((id) => id !== caller.id) };
    }
    const caller = await authentication.userOf(principal);
    const { known, examined } = await community.among(caller, asked.userIds);
    await rateLimits.pay(principal, { examined: examined + known.size });
    return { caller, ids: [...known] };
  };

  /** Users and groups to notify of a change of the caller, without users with a block. */
  const readAudience = async (caller: UserCaller): Promise<Audience> => {
    const [contacts, blocked] = await Promise.all([community.of([caller.id]), blocks.all(caller._id, caller.blocked)]);
    const userIds = contacts.get(caller.id)?.userIds ?? [];
    return { userIds, groups: caller.groups, except: [caller.id, ...blocked] };
  };

  const payFor = (principal: Principal, { userIds, groups }: Audience): Promise<void> => {
    const sizes = groups.map((type) => emitter.sizeHere([chatNamespace], rooms.group(type)));
    return rateLimits.pay(principal, { receivers: sizes.reduce((sum, size) => sum + size, userIds.length) });
  };

  /** Sends a status, and later the stored one. */
  const send = (
    audience: Audience,
    { principal, userId, status }: { principal: Principal; userId: string; status: Status },
  ): void => {
    publisher.people(audience, toEvent(userId, status));
    settle(principal, userId, status.presenceStatus);
  };

  const toEvent = (userId: string, { presenceStatus, lastSeen }: Status) => ({
    event: 'presence:status_changed',
    payload: { userId, status: presenceStatus, lastSeen: lastSeen.toISOString(), timestamp: nowIso() },
  });

  /** Sends the stored status later, if that is another one. @param sent `undefined`: in any case */
  const settle = (principal: Principal, userId: string, sent?: Status['presenceStatus']): void =>
    settling.settle(keyOf(userId), {
      sent,
      read: async () => (await readStatus(userId))?.presenceStatus,
      send: () => coalescer.correct(keyOf(userId), { later: () => publishStored(principal) }),
    });

  const readStatus = async (userId: string): Promise<Status | undefined> => {
    const fields = { presenceStatus: 1, lastSeen: 1 } as const;
    const { presenceStatus, lastSeen } = (await models.User.findById(userId, fields).lean<Partial<Status>>()) ?? {};
    return presenceStatus == null || lastSeen == null ? undefined : { presenceStatus, lastSeen };
  };

  /** Sends the stored status. */
  const publishStored = async (principal: Principal): Promise<void> => {
    try {
      const caller = await authentication.userOf(principal);
      const [status, audience] = await Promise.all([readStatus(caller.id), readAudience(caller)]);
      if (status !== undefined) send(audience, { principal, userId: caller.id, status });
    } catch (error) {
      logger.warn({ err: error }, 'community: notifying of a status failed');
    }
  };

  return {
    look,

    async update(principal: Principal, presenceStatus: Status['presenceStatus']): Promise<PersonPresence> {
      const caller = await authentication.userOf(principal);
      const key = keyOf(caller.id);
      // A delayed event reads it itself.
      const audience = coalescer.isNew(key) ? await readAudience(caller) : undefined;
      if (audience !== undefined) await payFor(principal, audience);
      const lastSeen = new Date(clock.now());
      await settling.change(
        () => models.User.updateOne({ _id: caller._id }, { presenceStatus, lastSeen }, { timestamps: false }),
        () => settle(principal, caller.id),
      );
      await coalescer.offer(key, {
        now: async () => {
          const status = { presenceStatus, lastSeen };
          send(audience ?? (await readAudience(caller)), { principal, userId: caller.id, status });
        },
        later: () => publishStored(principal),
      });
      return { userId: caller.id, status: presenceStatus, lastSeen: lastSeen.toISOString() };
    },

    /** Sends the stored status of a user, once more. */
    async sendAgain(caller: UserCaller): Promise<void> {
      const [status, audience] = await Promise.all([readStatus(caller.id), readAudience(caller)]);
      if (status !== undefined) publisher.people(audience, toEvent(caller.id, status));
    },

    async getOnline(principal: Principal, asked: z.output<typeof communityPayloads.online>) {
      const { caller, ids } = await askedFor(principal, asked);
      const users = await look(caller, ids);
      return { online: users.filter(({ status }) => status !== 'offline').map(({ userId }) => userId), users };
    },
  };
}

const keyOf = (userId: string): string => `status ${userId}`;

/** @param isOnline whether the user has a socket anywhere; without one the status is offline */
export const toPersonPresence = (
  { _id, presenceStatus, lastSeen }: Pick<User, 'presenceStatus' | 'lastSeen'> & { _id: { toHexString(): string } },
  isOnline: boolean,
): PersonPresence => ({
  userId: _id.toHexString(),
  status: isOnline ? (presenceStatus ?? 'online') : 'offline',
  lastSeen: lastSeen?.toISOString() ?? null,
});

import { isObjectIdOrHexString, type Types } from 'mongoose';
import { conversationNamespaces } from '#shared/contracts/namespaces.js';
import type { UserPrincipal } from '../../auth/principal.js';
import type { Context } from '../../framework/context.js';
import { createBatcher } from '../../platform/concurrency/batcher.js';
import { createCoalescer } from '../../platform/concurrency/coalescer.js';
import type { Settling } from '../../platform/concurrency/settling.js';
import { rooms } from '../../realtime/rooms.js';
import { accountOf, type Blocks } from '../users/index.js';

/** A user whose status changes. The cost is charged to a principal that changes it. */
interface StatusUser {
  readonly userId: string;
  readonly accountId: string;
}

const statuses = ['active', 'away'] as const;
type Status = (typeof statuses)[number];

interface Dependencies {
  blocks: Blocks;
  settling: Settling;
}

/** Users in one update. */
const GROUP_MAX = 1000;

/** Active or away status of team members. */
export interface ActiveStatus {
  /**
   * Stores the status of the user, then notifies the account.
   * @param exceptSocketId the socket that set the status, which is not notified
   */
  set(user: StatusUser | UserPrincipal, status: Status, exceptSocketId?: string): Promise<void>;
  /** Sends the stored status of users, once more. */
  sendAgain(userIds: readonly Types.ObjectId[]): Promise<void>;
  /** Sends all pending events. */
  flush(): Promise<void>;
}

const keyOf = ({ accountId, userId }: StatusUser): string => `${accountId} ${userId}`;

/** Within this time only the last of several changes of a user is sent. */
const WINDOW_MS = 1000;

/**
 * Sends the status of a user to the account, except users with a block, on both conversation namespaces. A burst of changes
 * is sent as its first and its last.
 */
export function createActiveStatus(context: Context, { blocks, settling }: Dependencies): ActiveStatus {
  const { models, emitter, clock, logger, work } = context;
  const coalescer = createCoalescer({ clock, windowMs: WINDOW_MS });

  /** Of all users in one event loop iteration, with one update for each status. The last status of a user counts. */
  const store = createBatcher<readonly [userId: string, status: Status], void>(async (changes) => {
    const last = [...new Map(changes)];
    for (const status of statuses) {
      const ids = last.flatMap(([userId, own]) => (own === status ? userId : []));
      const isOther = { _id: { $in: ids }, conversation_active_status: { $ne: status } };
      if (ids.length > 0) await models.User.updateMany(isOther, { conversation_active_status: status });
    }
    return changes.map(() => undefined);
  }, GROUP_MAX);

  const readStored = async (userId: string): Promise<Status | undefined> =>
    (await blocks.withUser(userId))?.user.conversation_active_status ?? undefined;

  /**
   * Sends a status, and later the stored one if that is another one.
   * @param toStatus gets the stored status, if there is one. It is read with the blocks, for all users of an event loop
   *   iteration.
   * @param setting what the socket that is not told has set: it is told of another status
   */
  const send = async (
    user: StatusUser,
    toStatus: (stored: Status | null | undefined) => Status,
    setting?: { readonly status: Status; readonly exceptSocketId?: string | undefined },
  ): Promise<void> => {
    const { userId, accountId } = user;
    try {
      const found = await blocks.withUser(userId);
      const status = toStatus(found?.user.conversation_active_status);
      const exceptSocketId = setting?.status === status ? setting.exceptSocketId : undefined;
      emitter.emit(
        {
          namespaces: conversationNamespaces,
          rooms: [rooms.account(accountId)],
          exceptRoom: [...(found?.blocked ?? [])].map(rooms.user),
          ...(exceptSocketId === undefined ? {} : { exceptSocketId }),
        },
        {
          event: 'active_status',
          payload: { userID: userId, conversation_active_status: status },
        },
      );
      settle(user, status, status);
    } catch (error) {
      logger.warn({ err: error }, 'conversations: sending a status to an account failed');
    }
  };

  /** Sends the stored status later, if that is another one. @param sent `undefined`: in any case */
  const settle = (user: StatusUser, status: Status, sent?: Status): void =>
    settling.settle(`status ${keyOf(user)}`, {
      sent,
      read: () => readStored(user.userId),
      send: () => coalescer.correct(keyOf(user), { later: () => send(user, (stored) => stored ?? status) }),
    });

  return {
    async set(user, status, exceptSocketId) {
      const { userId, accountId } = user;
      const key = keyOf(user);
      if ('kind' in user && accountId !== '' && coalescer.isNew(key)) {
        await work.pay(user, { receivers: emitter.sizeHere(conversationNamespaces, rooms.account(accountId)) });
      }
      // User ids are opaque; only an ObjectId can be that of a document.
      if (isObjectIdOrHexString(userId)) {
        await settling.change(
          () => store([userId, status]),
          () => {
            if (accountId !== '') settle(user, status);
          },
        );
      }
      if (accountId === '') return;
      await coalescer.offer(key, {
        now: () => send(user, () => status, { status, exceptSocketId }),
        // Another node may have set it since; a user without a document has the last one of this node.
        later: () => send(user, (stored) => stored ?? status, { status, exceptSocketId }),
      });
    },
    async sendAgain(userIds) {
      const found = await models.User.find({ _id: { $in: [...userIds] } }, { account: 1 }).lean();
      for (const user of found) {
        const [userId, accountId] = [user._id.toHexString(), accountOf(user)];
        if (accountId !== '') await send({ userId, accountId }, (stored) => stored ?? 'away');
      }
    },
    flush: coalescer.flush,
  };
}

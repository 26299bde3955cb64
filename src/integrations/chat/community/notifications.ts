import { isObjectIdOrHexString, Types } from 'mongoose';
import type { Chat } from '#shared/models/chat.js';
import type { Notification } from '#shared/models/notification.js';
import { storedValue } from '../../../models/index.js';
import { type KeysetPlace, placeOfTime, readAfter } from '../../../platform/mongo/keyset.js';
import { ChatError, type UserCaller } from '../shared/index.js';
import { createFollowMessage, type FollowedMessage } from './follow-message.js';
import type { PageQuery } from './history.js';
import { createMakeNotifications, type NotificationDependencies } from './make-notifications.js';
import { createNotificationCount } from './notification-count.js';
import { createSettleRead } from './read-notifications.js';
import { toWireNotification } from './to-wire.js';

/** The owner of notifications. */
type Recipient = Pick<UserCaller, '_id' | 'id'>;

/** Notifications of messages that users miss. See {@link createNotifications}. */
export type Notifications = ReturnType<typeof createNotifications>;

/** Notifications for users who miss a message, marked as read when they have read it. */
export function createNotifications(dependencies: NotificationDependencies) {
  const { models, clock, logger, push, publisher, settling } = dependencies;
  const settleRead = createSettleRead(dependencies);
  const {
    of: count,
    publish: publishCount,
    publishAll: publishCounts,
    settle: settleCount,
  } = createNotificationCount(dependencies);
  const { readExcerpt, follow } = createFollowMessage({ models, push, publishCounts });
  const make = createMakeNotifications(dependencies, { settleRead, publishCount, readExcerpt, follow });

  /** @param notificationId `null`: all */
  const publishRead = (recipient: Recipient, notificationId: string | null, readAt: Date): void => {
    const payload = { notificationId, readAt: readAt.toISOString() };
    publisher.people({ userIds: [recipient.id] }, { event: 'notification:read', payload });
  };

  return {
    /** Notifies users who miss a message. Never rejects, because the message is stored. */
    notify: (sent: Parameters<typeof make>[0]): Promise<void> =>
      make(sent).catch((error: unknown) => logger.error({ err: error }, 'community: storing notifications failed')),

    async list({ _id }: Recipient, { before, limit, unreadOnly }: PageQuery & { unreadOnly: boolean }) {
      const unread = unreadOnly ? { isRead: false } : {};
      const place = await findPlace(_id, before);
      const list = { base: { recipient: _id, ...unread }, field: 'createdAt', direction: 'descending' } as const;
      const found = await readAfter<Notification>(models.Notification, list, { place, limit: limit + 1 });
      const notifications = found.slice(0, limit).map(toWireNotification);
      return { notifications, unreadCount: await count(_id), hasMore: found.length > limit };
    },

    /** Sends what is stored of notifications, once more. @param isNew whether their users may not know of them */
    async sendAgain(ids: readonly Types.ObjectId[], isNew: boolean): Promise<void> {
      const found = await models.Notification.find({ _id: { $in: [...ids] } }).lean<Notification[]>();
      for (const own of found) {
        const [id, readAt] = [own.recipient.toHexString(), own.readAt ?? new Date(clock.now())];
        if (isNew) publisher.people({ userIds: [id] }, { event: 'notification:new', payload: toWireNotification(own) });
        else if (own.isRead === true) publishRead({ _id: own.recipient, id }, own._id.toHexString(), readAt);
      }
      await publishCounts(found.map(({ recipient }) => recipient));
    },

    publishCounts,

    /** Idempotent. @throws ChatError `NOT_FOUND` */
    async markRead(recipient: Recipient, notificationId: string): Promise<{ count: number }> {
      const own = { _id: new Types.ObjectId(notificationId), recipient: recipient._id };
      const readAt = new Date(clock.now());
      const { modifiedCount } = await settling.change(
        () => models.Notification.updateOne({ ...own, isRead: false }, { isRead: true, readAt }),
        () => {
          settleRead([own]);
          settleCount(recipient);
        },
      );
      if (modifiedCount === 0) {
        if ((await models.Notification.exists(own)) === null) throw notFound();
        return { count: await count(recipient._id) };
      }
      publishRead(recipient, notificationId, readAt);
      return { count: await publishCount(recipient) };
    },

    async markAllRead(recipient: Recipient): Promise<{ count: number }> {
      const readAt = new Date(clock.now());
      const { modifiedCount } = await settling.change(
        () => models.Notification.updateMany({ recipient: recipient._id, isRead: false }, { isRead: true, readAt }),
        () => {
          settling.settle(`all read ${recipient.id}`, {
            sent: undefined,
            read: async () => ((await count(recipient._id)) === 0 ? true : undefined),
            send: () => publishRead(recipient, null, readAt),
          });
          settleCount(recipient);
        },
      );
      if (modifiedCount === 0) return { count: 0 };
      publishRead(recipient, null, readAt);
      return { count: await publishCount(recipient) };
    },

    /** Marks notifications as read, up to the read position of a user in a chat. */
    async readOf(recipient: Recipient, { chat, position, at }: ReadUpTo): Promise<void> {
      const unread = { recipient: recipient._id, relatedChat: chat._id, isRead: false };
      const untilTime = { ...unread, position: null, createdAt: { $lte: at } };
      const untilPosition = { ...unread, position: { $gt: 0, $lte: position } };
      const until = position > 0 ? { $or: [untilTime, untilPosition] } : untilTime;
      const readAt = new Date(clock.now());
      const { modifiedCount } = await settling.change(
        () => models.Notification.updateMany(until, { isRead: true, readAt }),
        () => settleCount(recipient),
      );
      if (modifiedCount > 0) await publishCount(recipient);
    },

    /**
     * Updates the notifications of an edited or deleted message. Never rejects, because the message is changed.
     */
    follow: (message: FollowedMessage): Promise<void> =>
      follow(message).catch((error: unknown) =>
        logger.error({ err: error }, 'community: updating the notifications of a message failed'),
      ),

    count: async ({ _id }: Recipient): Promise<{ count: number }> => ({ count: await count(_id) }),
  };

  async function findPlace(recipient: Types.ObjectId, before: string | undefined): Promise<KeysetPlace | undefined> {
    if (before === undefined) return undefined;
    if (!isObjectIdOrHexString(before)) return placeOfTime(new Date(before), 'descending');
    const found = await models.Notification.findOne({ _id: before, recipient }, { createdAt: 1 }).lean();
    // It was removed with its message since. What may be earlier is shown, some of it again.
    if (found === null) return placeOfTime(new Date(madeAt(before) + SKEW_MAX_MS), 'descending');
    return { value: storedValue(found, 'createdAt'), _id: found._id };
  }
}

/** The read position of a user in a chat. */
interface ReadUpTo {
  readonly chat: Chat;
  /** 0: none. */
  readonly position: number;
  readonly at: Date;
}

/** A notification has the time of its message, which can be so far ahead of the clock of the node that made both. */
const SKEW_MAX_MS = 60_000;

/** When a document was made, by its id: Unix time in milliseconds. */
const madeAt = (id: string): number => new Types.ObjectId(id).getTimestamp().getTime();

const notFound = () => new ChatError('NOT_FOUND', 'Notification not found');

import { isObjectIdOrHexString, Types } from 'mongoose';
import type { Chat } from '#shared/models/chat.js';
import type { ChatMessage } from '#shared/models/chat-message.js';
import type { Notification } from '#shared/models/notification.js';
import type { Context } from '../../../framework/context.js';
import { storedValue } from '../../../models/index.js';
import type { PushNotification } from '../../../platform/fcm/notification.js';
import { type KeysetPlace, placeOfTime, readAfter } from '../../../platform/mongo/keyset.js';
import type { Settling } from '../../../platform/settling.js';
import { ChatError, isPositioned, type UserCaller } from '../shared/index.js';
import type { Absentee, ActiveViewers } from './active-viewers.js';
import { createFollowMessage, type FollowedMessage, toExcerpt } from './follow-message.js';
import type { PageQuery } from './history.js';
import { createNotificationCount } from './notification-count.js';
import type { Publisher } from './publisher.js';
import { createSettleRead } from './read-notifications.js';
import { isMuted, settingOf } from './settings.js';
import { toWireNotification } from './to-wire.js';

interface Dependencies extends Pick<Context, 'models' | 'clock' | 'logger' | 'push'> {
  publisher: Publisher;
  activeViewers: ActiveViewers;
  settling: Settling;
}

/** A message sent in a chat. */
export interface SentMessage {
  readonly caller: UserCaller;
  readonly chat: Chat;
  /** Ids of participants with a block with the sender. */
  readonly blocked: ReadonlySet<string>;
  readonly message: ChatMessage;
}

/** The owner of notifications. */
type Recipient = Pick<UserCaller, '_id' | 'id'>;

/** What users are told of messages that they miss. See {@link createNotifications}. */
export type Notifications = ReturnType<typeof createNotifications>;

/** Notifications for users who miss a message, marked as read when they have read it. */
export function createNotifications(dependencies: Dependencies) {
  const { models, clock, logger, push, publisher, activeViewers } = dependencies;
  const settleRead = createSettleRead(dependencies);
  const { of: count, publish: publishCount } = createNotificationCount(dependencies);

  const { readExcerpt, follow } = createFollowMessage({ models, push, publishCount });

  /** Participants without a socket in the chat and without a block with the sender. */
  const findAbsent = async ({ caller, chat, blocked }: SentMessage): Promise<Absentee[]> => {
    const others = chat.participants.filter((user) => !user.equals(caller._id));
    const ids = others.map((user) => user.toHexString()).filter((id) => !blocked.has(id));
    return activeViewers.absentFrom(chat._id.toHexString(), ids).catch((error: unknown) => {
      // A superfluous notification is better than a missing one.
      logger.warn({ err: error }, 'community: reading who views a chat failed; all participants are notified');
      return ids.map((userId) => ({ userId, isConnected: true }));
    });
  };

  const makeAll = async (message: SentMessage): Promise<void> => {
    const absent = await findAbsent(message);
    if (absent.length === 0) return;
    const sent = { ...message, chat: await readNow(models, message.chat) };
    const missing = absent.filter(({ userId }) => !isMuted(sent.chat, new Types.ObjectId(userId), clock.now()));
    if (missing.length === 0) return;
    const drafts = missing.map(({ userId }) => toNotification(sent, userId));
    await models.Notification.insertMany(drafts, { ordered: false });
    // A concurrent change of the message missed these.
    const made = await readAgain(sent, drafts);
    if (made.length === 0) return;
    const away = new Set(missing.flatMap(({ userId, isConnected }) => (isConnected ? [] : [userId])));
    const here = made.filter(({ recipient }) => !away.has(recipient.toHexString()));
    for (const own of here) {
      const userIds = [own.recipient.toHexString()];
      publisher.people({ userIds }, { event: 'notification:new', payload: toWireNotification(own) });
    }
    settleRead(here);
    await Promise.all(here.map(({ recipient }) => publishCount({ _id: recipient, id: recipient.toHexString() })));
    if (push.isOn && away.size > 0) await push.send([...away], toPush(sent, made[0]?.message ?? ''));
  };

  /** The notifications as they are after the message was edited, deleted or read in the meantime. */
  const readAgain = async (
    { chat, message }: SentMessage,
    made: readonly Notification[],
  ): Promise<readonly Notification[]> => {
    const [excerpt, settings] = await Promise.all([
      readExcerpt(message),
      models.Chat.findById(chat._id, { participantSettings: 1 }).lean<Chat>(),
    ]);
    if (excerpt !== toExcerpt(message)) await follow({ ...message, participants: chat.participants });
    if (excerpt === undefined) return [];
    const hasRead = ({ recipient }: Notification): boolean => {
      const readPosition = settings === null ? undefined : settingOf(settings, recipient)?.readPosition;
      return readPosition != null && isPositioned(message) && readPosition >= message.position;
    };
    const read = made.filter(hasRead).map(({ _id }) => _id);
    if (read.length > 0) {
      const readAt = new Date(clock.now());
      await models.Notification.updateMany({ _id: { $in: read } }, { isRead: true, readAt });
    }
    return made.filter((one) => !hasRead(one)).map((one) => ({ ...one, message: excerpt }));
  };

  return {
    /** Notifies users who miss a message. Never rejects, because the message is stored. */
    notify: (sent: SentMessage): Promise<void> =>
      makeAll(sent).catch((error: unknown) => logger.error({ err: error }, 'community: storing notifications failed')),

    async list({ _id }: Recipient, { before, limit, unreadOnly }: PageQuery & { unreadOnly: boolean }) {
      const unread = unreadOnly ? { isRead: false } : {};
      const place = await findPlace(_id, before);
      const list = { base: { recipient: _id, ...unread }, field: 'createdAt', direction: 'descending' } as const;
      const found = await readAfter<Notification>(models.Notification, list, { place, limit: limit + 1 });
      const notifications = found.slice(0, limit).map(toWireNotification);
      return { notifications, unreadCount: await count(_id), hasMore: found.length > limit };
    },

    /** Idempotent. @throws ChatError `NOT_FOUND` */
    async markRead(recipient: Recipient, notificationId: string): Promise<{ count: number }> {
      const own = { _id: notificationId, recipient: recipient._id };
      const readAt = new Date(clock.now());
      const { modifiedCount } = await models.Notification.updateOne(
        { ...own, isRead: false },
        { isRead: true, readAt },
      );
      if (modifiedCount === 0) {
        if ((await models.Notification.exists(own)) === null) throw notFound();
        return { count: await count(recipient._id) };
      }
      const payload = { notificationId, readAt: readAt.toISOString() };
      publisher.people({ userIds: [recipient.id] }, { event: 'notification:read', payload });
      return { count: await publishCount(recipient) };
    },

    async markAllRead(recipient: Recipient): Promise<{ count: number }> {
      const readAt = new Date(clock.now());
      const { modifiedCount } = await models.Notification.updateMany(
        { recipient: recipient._id, isRead: false },
        { isRead: true, readAt },
      );
      if (modifiedCount === 0) return { count: 0 };
      const payload = { notificationId: null, readAt: readAt.toISOString() };
      publisher.people({ userIds: [recipient.id] }, { event: 'notification:read', payload });
      return { count: await publishCount(recipient) };
    },

    /** Marks notifications as read, up to the read position of a user in a chat. */
    async readOf(recipient: Recipient, { chat, position, at }: ReadUpTo): Promise<void> {
      const unread = { recipient: recipient._id, relatedChat: chat._id, isRead: false };
      const untilTime = { ...unread, position: null, createdAt: { $lte: at } };
      const untilPosition = { ...unread, position: { $gt: 0, $lte: position } };
      const { modifiedCount } = await models.Notification.updateMany(
        position > 0 ? { $or: [untilTime, untilPosition] } : untilTime,
        { isRead: true, readAt: new Date(clock.now()) },
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

/** A chat as it is named and muted now: what is known of it can be older. */
async function readNow({ Chat: model }: Pick<Context['models'], 'Chat'>, chat: Chat): Promise<Chat> {
  const fields = { groupName: 1, participantSettings: 1 } as const;
  const found = await model.findById(chat._id, fields).lean<Pick<Chat, keyof typeof fields>>();
  return { ...chat, groupName: found?.groupName ?? null, participantSettings: found?.participantSettings ?? [] };
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

const titleOf = ({ caller, chat }: SentMessage): string =>
  chat.type === 'group' && chat.groupName ? chat.groupName : caller.name;

/** The push for users without a socket. */
const toPush = (sent: SentMessage, body: string): PushNotification => ({
  title: titleOf(sent),
  body,
  data: {
    id: sent.message._id.toHexString(),
    event: 'chat:new_message',
    chat_id: sent.chat._id.toHexString(),
  },
});

const toNotification = (sent: SentMessage, recipient: string): Notification => ({
  _id: new Types.ObjectId(),
  recipient: new Types.ObjectId(recipient),
  sender: sent.caller._id,
  type: 'message',
  title: titleOf(sent),
  message: toExcerpt(sent.message),
  relatedChat: sent.chat._id,
  relatedMessage: sent.message._id,
  isRead: false,
  readAt: null,
  ...(isPositioned(sent.message) ? { position: sent.message.position } : {}),
  createdAt: sent.message.createdAt,
});

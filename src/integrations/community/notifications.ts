import { Types } from 'mongoose';
import type { Chat } from '#shared/models/chat.js';
import type { ChatMessage } from '#shared/models/chat-message.js';
import type { Notification } from '#shared/models/notification.js';
import type { PushNotification } from '../../platform/push-notification.js';
import { cutText } from '../../platform/text.js';
import type { Context } from '../../realtime/context.js';
import { ChatError, type UserCaller } from '../chats/index.js';
import type { Absentee, Attendance } from './attendance.js';
import type { PageQuery } from './history.js';
import { behind, earlierThan, isId } from './positions.js';
import { isMuted } from './settings.js';
import type { Tell } from './tell.js';
import { toWireNotification } from './to-wire.js';

interface Dependencies extends Pick<Context, 'models' | 'clock' | 'logger' | 'push'> {
  tell: Tell;
  attendance: Attendance;
}

/** Something that was said in a chat. */
export interface Said {
  readonly caller: UserCaller;
  readonly chat: Chat;
  readonly message: ChatMessage;
}

/** Whose notifications they are. */
type Recipient = Pick<UserCaller, '_id' | 'id'>;

export type Notifications = ReturnType<typeof createNotifications>;

/** What of a message a notification repeats. */
const EXCERPT_MAX = 200;
/** Unread notifications are counted up to here. */
const COUNT_MAX = 100;

/** What users should come to know: made for those who miss a message, and put away when they have read it. */
export function createNotifications({ models, clock, logger, push, tell, attendance }: Dependencies) {
  const count = (recipient: Types.ObjectId): Promise<number> =>
    models.Notification.countDocuments({ recipient, isRead: false }).limit(COUNT_MAX);

  const tellCount = async ({ _id, id }: Recipient): Promise<number> => {
    const unread = await count(_id);
    tell.people({ userIds: [id] }, { event: 'notification:unread_count', payload: { count: unread } });
    return unread;
  };

  /** Participants who should be told: not in the chat anywhere, not muted, and they have not blocked who speaks. */
  const findMissing = async ({ caller, chat }: Said): Promise<Absentee[]> => {
    const others = chat.participants.filter((user) => !user.equals(caller._id) && !isMuted(chat, user, clock.now()));
    const ids = others.map((user) => user.toHexString());
    const absent = await attendance.absentFrom(chat._id.toHexString(), ids).catch((error: unknown) => {
      // Better one too many than one that is missing.
      logger.warn({ err: error }, 'community: it is not known who is in a chat; everybody is notified');
      return ids.map((userId) => ({ userId, isConnected: true }));
    });
    if (absent.length === 0) return [];
    const named = { $in: absent.map(({ userId }) => userId) };
    const averse = await models.User.find({ _id: named, blockedUsers: caller._id }, { _id: 1 }).lean();
    const refusing = new Set(averse.map(({ _id }) => _id.toHexString()));
    return absent.filter(({ userId }) => !refusing.has(userId));
  };

  const makeAll = async (said: Said): Promise<void> => {
    const missing = await findMissing(said);
    if (missing.length === 0) return;
    const made = missing.map(({ userId }) => toNotification(said, userId));
    await models.Notification.insertMany(made, { ordered: false });
    const away = new Set(missing.flatMap(({ userId, isConnected }) => (isConnected ? [] : [userId])));
    const here = made.filter(({ recipient }) => !away.has(recipient.toHexString()));
    for (const own of here) {
      const userIds = [own.recipient.toHexString()];
      tell.people({ userIds }, { event: 'notification:new', payload: toWireNotification(own) });
    }
    await Promise.all(here.map(({ recipient }) => tellCount({ _id: recipient, id: recipient.toHexString() })));
    if (push.isOn && away.size > 0) await push.send([...away], toPush(said));
  };

  return {
    /** For those who miss a message. Never rejects: it was said, and its sender is told so. */
    notify: (said: Said): Promise<void> =>
      makeAll(said).catch((error: unknown) =>
        logger.error({ err: error }, 'community: those who missed a message were not notified'),
      ),

    async list({ _id }: Recipient, { before, limit, unreadOnly }: PageQuery & { unreadOnly: boolean }) {
      const unread = unreadOnly ? { isRead: false } : {};
      const found = await models.Notification.find({ recipient: _id, ...unread, ...(await toRange(_id, before)) })
        .sort({ createdAt: -1, _id: -1 })
        .limit(limit + 1)
        .lean<Notification[]>();
      const notifications = found.slice(0, limit).map(toWireNotification);
      return { notifications, unreadCount: await count(_id), hasMore: found.length > limit };
    },

    /** Again is fine. @throws ChatError `NOT_FOUND` */
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
      const payload = { notificationId: notificationId.toLowerCase(), readAt: readAt.toISOString() };
      tell.people({ userIds: [recipient.id] }, { event: 'notification:read', payload });
      return { count: await tellCount(recipient) };
    },

    async markAllRead(recipient: Recipient): Promise<{ count: number }> {
      const readAt = new Date(clock.now());
      const { modifiedCount } = await models.Notification.updateMany(
        { recipient: recipient._id, isRead: false },
        { isRead: true, readAt },
      );
      if (modifiedCount === 0) return { count: 0 };
      const payload = { notificationId: null, readAt: readAt.toISOString() };
      tell.people({ userIds: [recipient.id] }, { event: 'notification:read', payload });
      return { count: await tellCount(recipient) };
    },

    /** Somebody has read a chat up to a time, and with it what was notified of it. */
    async readOf(recipient: Recipient, { chat, upTo }: { chat: Chat; upTo: Date }): Promise<void> {
      const { modifiedCount } = await models.Notification.updateMany(
        { recipient: recipient._id, relatedChat: chat._id, isRead: false, createdAt: { $lte: upTo } },
        { isRead: true, readAt: new Date(clock.now()) },
      );
      if (modifiedCount > 0) await tellCount(recipient);
    },

    /** What was said is taken back, and what repeats it. Never rejects: it is taken back, and whoever did so is told so. */
    withdraw: (chat: Chat, message: ChatMessage): Promise<void> =>
      withdrawAll(chat, message).catch((error: unknown) =>
        logger.error({ err: error }, 'community: the notifications of a deleted message are still there'),
      ),

    count: async ({ _id }: Recipient): Promise<{ count: number }> => ({ count: await count(_id) }),
  };

  async function withdrawAll({ participants }: Chat, { _id, createdAt }: ChatMessage): Promise<void> {
    const about = { recipient: { $in: participants }, createdAt, relatedMessage: _id };
    const unread = await models.Notification.find({ ...about, isRead: false }, { recipient: 1 }).lean();
    await models.Notification.deleteMany(about);
    await Promise.all(unread.map(({ recipient }) => tellCount({ _id: recipient, id: recipient.toHexString() })));
  }

  async function toRange(recipient: Types.ObjectId, before: string | undefined): Promise<object> {
    if (before === undefined) return {};
    if (!isId(before)) return earlierThan('createdAt', before);
    const found = await models.Notification.findOne({ _id: before, recipient }, { createdAt: 1 }).lean();
    if (found === null) throw notFound();
    return behind('createdAt', { at: found.createdAt, _id: found._id });
  }
}

const notFound = () => new ChatError('NOT_FOUND', 'Notification not found');

const titleOf = ({ caller, chat }: Said): string =>
  chat.type === 'group' && chat.groupName ? chat.groupName : caller.name;

/** For those who have no socket here at all. */
const toPush = (said: Said): PushNotification => ({
  title: titleOf(said),
  body: cutText(said.message.content, EXCERPT_MAX),
  data: {
    id: said.message._id.toHexString(),
    event: 'chat:new_message',
    chat_id: said.chat._id.toHexString(),
  },
});

const toNotification = (said: Said, recipient: string): Notification => ({
  _id: new Types.ObjectId(),
  recipient: new Types.ObjectId(recipient),
  sender: said.caller._id,
  type: 'message',
  title: titleOf(said),
  message: cutText(said.message.content, EXCERPT_MAX),
  relatedChat: said.chat._id,
  relatedMessage: said.message._id,
  isRead: false,
  readAt: null,
  createdAt: said.message.createdAt,
});

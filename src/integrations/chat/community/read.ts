import type { Types } from 'mongoose';
import type { Chat, ChatSetting } from '#shared/models/chat.js';
import type { ChatMessage } from '#shared/models/chat-message.js';
import type { Principal } from '../../../auth/principal.js';
import type { Context } from '../../../framework/context.js';
import { storedForms } from '../../../models/index.js';
import type { Settling } from '../../../platform/concurrency/settling.js';
import { isPositioned, type UserCaller } from '../shared/index.js';
import type { ChatAccess, ChatsAccess } from './access.js';
import type { ChatLog } from './log.js';
import type { Notifications } from './notifications.js';
import type { Publisher } from './publisher.js';
import type { RateLimits } from './rate-limits.js';
import { settingOf } from './settings.js';
import { sentAt } from './to-wire.js';
import { readCursorOf } from './unread.js';

interface Dependencies extends Pick<Context, 'models' | 'clock'> {
  access: ChatsAccess;
  rateLimits: RateLimits;
  publisher: Publisher;
  log: ChatLog;
  notifications: Notifications;
  settling: Settling;
}

/** Maximum number of messages marked as read one by one; the read position counts in any case. */
const MARKED_MAX = 500;

/**
 * Moves the read position of a user to a message of another user. Each participant has one position. An atomic write moves
 * it forward, never back, so that of concurrent calls of several tabs and nodes one sends the event.
 */
export function createRead(dependencies: Dependencies) {
  const { models, clock, access, rateLimits, publisher, log, notifications, settling } = dependencies;
  /** The caller's unread messages of others, up to the given one, newest first. */
  const findUnread = async (chat: Chat, { _id }: UserCaller, messageId: string | null | undefined) => {
    const parent = chat._id;
    if (messageId == null) await log.backfill(parent);
    const named = messageId == null ? undefined : await log.find(parent, messageId);
    const after = readCursorOf(settingOf(chat, _id));
    const before = named === undefined ? undefined : log.cursorOf(named);
    const where = { sender: { $ne: _id } };
    const projection = { _id: 1 } as const;
    const found = await log.read({ parent, after, before, first: 'newest', limit: MARKED_MAX, where, projection });
    const isOwn = named === undefined || _id.equals(named.sender);
    return isOwn ? found : [named, ...found].slice(0, MARKED_MAX);
  };

  /** @returns whether this call moved it */
  const advance = async (chat: Chat, user: Types.ObjectId, target: ChatMessage): Promise<boolean> => {
    if (settingOf(chat, user) === undefined) {
      const setting: ChatSetting = { user };
      const without = { _id: chat._id, participants: user, 'participantSettings.user': { $ne: user } };
      await models.Chat.updateOne(without, { $push: { participantSettings: setting } });
    }
    const readUpTo = sentAt(target);
    const { position, timed } = log.cursorOf(target);
    /** Matches entries of the caller before the message. Another service may have stored several. */
    const behind = (at: '' | 'own.') => {
      const [readTo, last] = [`${at}readUpTo`, `${at}lastReadMessage`];
      const isEarlier = [
        { [readTo]: null },
        { [readTo]: { $lt: readUpTo } },
        { [readTo]: readUpTo, [last]: { $lt: target._id } },
      ];
      return {
        $and: [
          { [`${at}user`]: user },
          { [`${at}readPosition`]: timed === undefined ? { $not: { $gte: position } } : null },
          ...(timed === undefined ? [] : [{ $or: isEarlier }]),
        ],
      };
    };
    const read = {
      'participantSettings.$[own].readUpTo': readUpTo,
      'participantSettings.$[own].lastReadMessage': target._id,
      ...(isPositioned(target) ? { 'participantSettings.$[own].readPosition': target.position } : {}),
    };
    const { modifiedCount } = await models.Chat.updateOne(
      { _id: chat._id, participants: user, participantSettings: { $elemMatch: behind('') } },
      { $set: read },
      // Not `$`: with conditions on two arrays it can refer to either.
      { arrayFilters: [behind('own.')] },
    );
    return modifiedCount > 0;
  };

  const mark = (chat: Types.ObjectId, messages: readonly ChatMessage[], { user, readAt }: ReadMark) =>
    models.ChatMessage.updateMany(
      { _id: { $in: messages.map(({ _id }) => _id) }, chat, 'readBy.user': { $ne: user } },
      // Another service may have stored a value that is not a list.
      [
        {
          $set: {
            readBy: { $concatArrays: [{ $cond: [{ $isArray: '$readBy' }, '$readBy', []] }, [{ user, readAt }]] },
          },
        },
      ],
      { updatePipeline: true },
    );

  const send = (opened: ChatAccess, messageId: string, readAt: Date): void => {
    const { caller, chat } = opened;
    const payload = { chatId: chat._id.toHexString(), messageId, userId: caller.id, readAt: readAt.toISOString() };
    publisher.others(opened, { event: 'chat:message_read', payload });
    publisher.people({ userIds: [caller.id] }, { event: 'chat:read', payload });
  };

  const readAtOf = async ({ caller, chat }: ChatAccess, messageId: string): Promise<Date> => {
    const found = await models.ChatMessage.findOne({ _id: messageId, chat: chat._id }, { readBy: 1 }).lean();
    return found?.readBy?.find(({ user }) => caller._id.equals(user))?.readAt ?? new Date(clock.now());
  };

  /** Stores the rest when some of the messages are marked as read, and it is not known how far the caller has read. */
  const finish = async (
    { caller, chat }: ChatAccess,
    messages: readonly ChatMessage[],
    readAt: Date,
  ): Promise<void> => {
    const [target] = messages;
    const marked = { _id: { $in: messages.map(({ _id }) => _id) }, chat: chat._id, 'readBy.user': caller._id };
    if (target === undefined || (await models.ChatMessage.exists(marked)) === null) return;
    await mark(chat._id, messages, { user: caller._id, readAt });
    await advance(chat, caller._id, target);
  };

  /**
   * Sends later how far the caller has read, if that is further.
   * @param sent `undefined`: in any case
   * @param prepare runs before the stored position is read
   */
  const settle = (opened: ChatAccess, sent?: string, prepare?: () => Promise<void>): void => {
    const { caller, chat } = opened;
    settling.settle(`read ${chat._id.toHexString()} ${caller.id}`, {
      sent,
      async read() {
        await prepare?.();
        // A chat has a setting for each participant, and each of them reads.
        const own = { participantSettings: { $elemMatch: { user: { $in: storedForms(caller._id) } } } };
        const stored = await models.Chat.findById(chat._id, own).lean<Chat>();
        return (stored && settingOf(stored, caller._id))?.lastReadMessage?.toHexString();
      },
      async send(stored) {
        const now = await access.again(opened);
        if (now !== undefined) send(now, stored, await readAtOf(now, stored));
      },
    });
  };

  /** After the position has moved to a message. */
  const publish = async (opened: ChatAccess, target: ChatMessage, readAt: Date): Promise<void> => {
    const messageId = target._id.toHexString();
    send(opened, messageId, readAt);
    settle(opened, messageId);
    const position = isPositioned(target) ? target.position : 0;
    await notifications.readOf(opened.caller, { chat: opened.chat, position, at: sentAt(target) });
  };

  const markRead = async (
    principal: Principal,
    data: { chatId: string; messageId?: string | null | undefined },
  ): Promise<void> => {
    const opened = await access.open(principal, data.chatId);
    const { caller, chat } = opened;
    const messages = await findUnread(chat, caller, data.messageId);
    const [target] = messages;
    if (target === undefined) {
      // A notification may have been stored after its message was read.
      const { readPosition, readUpTo } = settingOf(chat, caller._id) ?? {};
      if (readUpTo != null) await notifications.readOf(caller, { chat, position: readPosition ?? 0, at: readUpTo });
      return;
    }
    await rateLimits.pay(principal, { examined: messages.length, receivers: chat.participants.length });
    const readAt = new Date(clock.now());
    const store = async (): Promise<boolean> => {
      await mark(chat._id, messages, { user: caller._id, readAt });
      return advance(chat, caller._id, target);
    };
    const settleUnknown = (): void => settle(opened, undefined, () => finish(opened, messages, readAt));
    if (await settling.change(store, settleUnknown)) await publish(opened, target, readAt);
  };

  /** Sends how far the caller has read, once more. */
  const sendReadAgain = async (opened: ChatAccess): Promise<void> => {
    const messageId = settingOf(opened.chat, opened.caller._id)?.lastReadMessage?.toHexString();
    if (messageId === undefined) return;
    send(opened, messageId, await readAtOf(opened, messageId));
    settle(opened, messageId);
  };

  /** Moves the position to a message that is marked as read already, and sends that; unless it has moved as far. */
  const finishRead = async (opened: ChatAccess, target: ChatMessage): Promise<void> => {
    const { caller, chat } = opened;
    if (!(await advance(chat, caller._id, target))) return;
    const mark = target.readBy?.find(({ user }) => caller._id.equals(user));
    await publish(opened, target, mark?.readAt ?? new Date(clock.now()));
  };

  return { read: markRead, sendReadAgain, finishRead };
}

/** Who has read messages, and when. */
interface ReadMark {
  readonly user: Types.ObjectId;
  readonly readAt: Date;
}

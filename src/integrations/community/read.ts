import type { Types } from 'mongoose';
import type { Chat, ChatSetting } from '#shared/models/chat.js';
import type { ChatMessage } from '#shared/models/chat-message.js';
import type { Principal } from '../../auth/principal.js';
import type { Context } from '../../realtime/context.js';
import type { UserCaller } from '../chats/index.js';
import { type ChatsAccess, messageNotFound } from './access.js';
import type { Notifications } from './notifications.js';
import { behind } from './positions.js';
import { settingOf } from './settings.js';
import type { Tell } from './tell.js';

interface Dependencies extends Pick<Context, 'models' | 'clock'> {
  access: ChatsAccess;
  tell: Tell;
  notifications: Notifications;
}

type Read = Pick<ChatMessage, '_id' | 'createdAt'>;

/** Messages that are marked one by one as read by somebody who comes after a long time; how far they read counts anyway. */
const MARKED_MAX = 500;
const NEWEST_FIRST = { createdAt: -1, _id: -1 } as const;

/**
 * Says how far somebody has read: up to a message of somebody else. How far is one position for each participant, which moves
 * on by an atomic write and never back, so that of several tabs and nodes one tells the others.
 */
export function createRead({ models, clock, access, tell, notifications }: Dependencies) {
  /** The newest message of somebody else, at or before the one that is named, and behind what was read before. */
  const findTarget = async (chat: Chat, caller: UserCaller, messageId: string | undefined): Promise<Read | null> => {
    const upTo = messageId === undefined ? {} : await rangeUpTo(chat, messageId);
    const since = settingOf(chat, caller._id)?.readUpTo;
    return models.ChatMessage.findOne(
      {
        chat: chat._id,
        sender: { $ne: caller._id },
        $and: [upTo, since == null ? {} : { createdAt: { $gte: since } }],
      },
      { createdAt: 1 },
    )
      .sort(NEWEST_FIRST)
      .lean<Read>();
  };

  const rangeUpTo = async (chat: Chat, messageId: string): Promise<object> => {
    const named = await models.ChatMessage.findOne({ _id: messageId, chat: chat._id }, { createdAt: 1 }).lean();
    if (named === null) throw messageNotFound();
    const { _id, createdAt } = named;
    return { $or: [{ _id }, behind('createdAt', { at: createdAt, _id })] };
  };

  /** @returns whether it was this call that moved it */
  const advance = async (chat: Chat, user: Types.ObjectId, { _id, createdAt }: Read): Promise<boolean> => {
    if (settingOf(chat, user) === undefined) {
      const setting: ChatSetting = { user };
      const without = { _id: chat._id, participants: user, 'participantSettings.user': { $ne: user } };
      await models.Chat.updateOne(without, { $push: { participantSettings: setting } });
    }
    const isBefore = [
      { readUpTo: null },
      { readUpTo: { $lt: createdAt } },
      { readUpTo: createdAt, lastReadMessage: { $lt: _id } },
    ];
    const { modifiedCount } = await models.Chat.updateOne(
      { _id: chat._id, participants: user, participantSettings: { $elemMatch: { user, $or: isBefore } } },
      { $set: { 'participantSettings.$.readUpTo': createdAt, 'participantSettings.$.lastReadMessage': _id } },
    );
    return modifiedCount > 0;
  };

  const mark = async (chat: Chat, user: Types.ObjectId, { _id, createdAt }: Read, readAt: Date): Promise<void> => {
    const since = settingOf(chat, user)?.readUpTo;
    const range = { $or: [{ _id }, behind('createdAt', { at: createdAt, _id })] };
    const unread = await models.ChatMessage.find(
      { chat: chat._id, sender: { $ne: user }, $and: [range, since == null ? {} : { createdAt: { $gte: since } }] },
      { _id: 1 },
    )
      .sort(NEWEST_FIRST)
      .limit(MARKED_MAX)
      .lean();
    await models.ChatMessage.updateMany(
      { _id: { $in: unread.map(({ _id: id }) => id) }, 'readBy.user': { $ne: user } },
      { $push: { readBy: { user, readAt } } },
    );
  };

  return async (principal: Principal, data: { chatId: string; messageId?: string | undefined }): Promise<void> => {
    const { caller, chat, isBlocked } = await access.open(principal, data.chatId);
    const target = await findTarget(chat, caller, data.messageId);
    if (target === null) return;
    const readAt = new Date(clock.now());
    await mark(chat, caller._id, target, readAt);
    if (!(await advance(chat, caller._id, target))) return;
    if (!isBlocked) {
      const ids = { chatId: chat._id.toHexString(), messageId: target._id.toHexString(), userId: caller.id };
      tell.others(chat, caller.id, { event: 'chat:message_read', payload: { ...ids, readAt: readAt.toISOString() } });
    }
    await notifications.readOf(caller, { chat, upTo: target.createdAt });
  };
}

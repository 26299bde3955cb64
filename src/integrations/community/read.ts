import type { Types } from 'mongoose';
import type { Chat, ChatSetting } from '#shared/models/chat.js';
import type { ChatMessage } from '#shared/models/chat-message.js';
import type { Principal } from '../../auth/principal.js';
import type { Context } from '../../realtime/context.js';
import type { UserCaller } from '../chats/index.js';
import { type ChatsAccess, messageNotFound } from './access.js';
import type { Notifications } from './notifications.js';
import { type Position, upTo } from './positions.js';
import { settingOf } from './settings.js';
import type { Tell } from './tell.js';
import { sentAt } from './to-wire.js';

interface Dependencies extends Pick<Context, 'models' | 'clock'> {
  access: ChatsAccess;
  tell: Tell;
  notifications: Notifications;
}

type Read = Pick<ChatMessage, '_id' | 'createdAt'>;

/** Messages that are marked one by one as read by somebody who comes after a long time; how far they read counts anyway. */
const MARKED_MAX = 500;

/**
 * Says how far somebody has read: up to a message of somebody else. How far is one position for each participant, which moves
 * on by an atomic write and never back, so that of several tabs and nodes one tells the others.
 */
export function createRead({ models, clock, access, tell, notifications }: Dependencies) {
  /** What the caller has not read: the messages of others behind those read before, up to the one that is named. */
  const unreadOf = async (chat: Chat, { _id }: UserCaller, messageId: string | null | undefined): Promise<object> => {
    const since = settingOf(chat, _id)?.readUpTo;
    return {
      chat: chat._id,
      sender: { $ne: _id },
      $and: [
        since == null ? {} : { createdAt: { $gte: since } },
        messageId == null ? {} : await rangeUpTo(chat, messageId),
      ],
    };
  };

  const rangeUpTo = async (chat: Chat, messageId: string): Promise<object> => {
    const named = await models.ChatMessage.findOne({ _id: messageId, chat: chat._id }, { createdAt: 1 }).lean();
    if (named === null) throw messageNotFound();
    return upTo('createdAt', { at: named.createdAt, _id: named._id });
  };

  /** @returns whether it was this call that moved it */
  const advance = async (chat: Chat, user: Types.ObjectId, { _id, at }: Position): Promise<boolean> => {
    if (settingOf(chat, user) === undefined) {
      const setting: ChatSetting = { user };
      const without = { _id: chat._id, participants: user, 'participantSettings.user': { $ne: user } };
      await models.Chat.updateOne(without, { $push: { participantSettings: setting } });
    }
    const isBefore = [{ readUpTo: null }, { readUpTo: { $lt: at } }, { readUpTo: at, lastReadMessage: { $lt: _id } }];
    const { modifiedCount } = await models.Chat.updateOne(
      { _id: chat._id, participants: user, participantSettings: { $elemMatch: { user, $or: isBefore } } },
      { $set: { 'participantSettings.$[own].readUpTo': at, 'participantSettings.$[own].lastReadMessage': _id } },
      // Not `$`: after conditions on two arrays that is a position in either of them.
      { arrayFilters: [{ 'own.user': user, 'own.readUpTo': { $not: { $gt: at } } }] },
    );
    return modifiedCount > 0;
  };

  const mark = (messages: readonly Read[], user: Types.ObjectId, readAt: Date) =>
    models.ChatMessage.updateMany(
      { _id: { $in: messages.map(({ _id }) => _id) }, 'readBy.user': { $ne: user } },
      { $push: { readBy: { user, readAt } } },
    );

  return async (
    principal: Principal,
    data: { chatId: string; messageId?: string | null | undefined },
  ): Promise<void> => {
    const { caller, chat, isBlocked } = await access.open(principal, data.chatId);
    const messages = await models.ChatMessage.find(await unreadOf(chat, caller, data.messageId), { createdAt: 1 })
      .sort({ createdAt: -1, _id: -1 })
      .limit(MARKED_MAX)
      .lean<Read[]>();
    const [target] = messages;
    if (target === undefined) return;
    const readAt = new Date(clock.now());
    await mark(messages, caller._id, readAt);
    const at = sentAt(target);
    if (!(await advance(chat, caller._id, { _id: target._id, at }))) return;
    if (!isBlocked) {
      const ids = { chatId: chat._id.toHexString(), messageId: target._id.toHexString(), userId: caller.id };
      tell.others(chat, caller.id, { event: 'chat:message_read', payload: { ...ids, readAt: readAt.toISOString() } });
    }
    await notifications.readOf(caller, { chat, upTo: at });
  };
}

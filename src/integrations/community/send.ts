import { Types } from 'mongoose';
import type { z } from 'zod';
import type { communityPayloads } from '#shared/contracts/community-parts.js';
import type { Chat } from '#shared/models/chat.js';
import type { ChatMessage } from '#shared/models/chat-message.js';
import { equalText } from '#shared/models/stored-text.js';
import type { Principal } from '../../auth/principal.js';
import { isDuplicateKey } from '../../platform/duplicate-key.js';
import { acknowledgedReadConcern } from '../../platform/mongo-options.js';
import { createTurns } from '../../platform/turns.js';
import type { Context } from '../../realtime/context.js';
import type { UserCaller } from '../chats/index.js';
import { type ChatsAccess, messageNotFound } from './access.js';
import type { Budget } from './budget.js';
import type { Notifications } from './notifications.js';
import type { Tell } from './tell.js';
import { toWireMessage, type WireMessage } from './to-wire.js';

interface Dependencies extends Pick<Context, 'models' | 'clock'> {
  access: ChatsAccess;
  budget: Budget;
  tell: Tell;
  notifications: Notifications;
}

/** A message that is to be said. */
export type Draft = z.output<typeof communityPayloads.send>;

/**
 * Says something: stores it, makes it the newest of its chat, sends it, in this order. What one user says in one chat is
 * done in the order in which it came. The same `clientMessageId` of the same sender meets the unique index: then the answer
 * is what was stored before, and nobody is told again.
 */
export function createSend({ models, clock, access, budget, tell, notifications }: Dependencies) {
  const turns = createTurns();

  const ensureReply = async (chat: Chat, replyToId: string | null | undefined): Promise<Types.ObjectId | null> => {
    if (replyToId == null) return null;
    const found = await models.ChatMessage.exists({ _id: replyToId, chat: chat._id });
    if (found === null) throw messageNotFound();
    return found._id;
  };

  /** @returns what was stored before with the same id, or nothing when this is new */
  const store = async (message: ChatMessage): Promise<ChatMessage | undefined> => {
    const { chat, sender, clientMessageId } = message;
    try {
      await models.ChatMessage.insertMany([message]);
      return undefined;
    } catch (error) {
      if (clientMessageId === undefined || !isDuplicateKey(error, 'clientMessageId')) throw error;
      const before = await models.ChatMessage.findOne({
        chat,
        sender,
        clientMessageId: equalText(clientMessageId),
      })
        .readConcern(acknowledgedReadConcern)
        .lean<ChatMessage>();
      if (before === null) throw error;
      return before;
    }
  };

  /** Nodes may come to this in another order than to storing. */
  const makeNewest = ({ chat, _id, createdAt }: ChatMessage) =>
    models.Chat.updateOne(
      { _id: chat, $or: [{ lastActivity: { $lte: createdAt } }, { lastActivity: null }, { lastMessage: null }] },
      { $set: { lastMessage: _id, lastActivity: createdAt } },
    );

  const say = async (principal: Principal, draft: Draft) => {
    await budget.spend('send', principal);
    const { caller, chat } = await access.openToSpeak(principal, draft.chatId);
    const replyTo = await ensureReply(chat, draft.replyToId);
    const message = toMessage(draft, { caller, chat, replyTo, createdAt: new Date(clock.now()) });
    const before = await store(message);
    const shown = toWireMessage(before ?? message, caller);
    if (before !== undefined) return { shown };
    await makeNewest(message);
    const { chat: chatId, createdAt: timestamp } = shown;
    tell.all(chat, { event: 'chat:new_message', payload: { message: shown, chatId, timestamp } });
    return { shown, said: { caller, chat, message } };
  };

  return async (principal: Principal, draft: Draft): Promise<WireMessage> => {
    const place = principal.kind === 'user' ? `${draft.chatId.toLowerCase()} ${principal.userId}` : '';
    const { shown, said } = await turns.take([place], () => say(principal, draft));
    if (said !== undefined) await notifications.notify(said);
    return shown;
  };
}

function toMessage(
  { content, messageType, clientMessageId }: Draft,
  where: { caller: UserCaller; chat: Chat; replyTo: Types.ObjectId | null; createdAt: Date },
): ChatMessage {
  return {
    _id: new Types.ObjectId(),
    chat: where.chat._id,
    sender: where.caller._id,
    content,
    messageType,
    ...(clientMessageId == null ? {} : { clientMessageId }),
    replyTo: where.replyTo,
    createdAt: where.createdAt,
  };
}

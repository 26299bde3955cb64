import type { ChatMessage } from '#shared/models/chat-message.js';
import type { Principal } from '../../auth/principal.js';
import type { Context } from '../../realtime/context.js';
import { type ChatsAccess, messageNotFound } from './access.js';
import type { Budget } from './budget.js';
import type { Faces } from './faces.js';
import { behind, earlierThan, isId } from './positions.js';
import { toWireMessage, type WireMessage } from './to-wire.js';

interface Dependencies extends Pick<Context, 'models'> {
  access: ChatsAccess;
  budget: Budget;
  faces: Faces;
}

/** One page of a list. */
export interface PageQuery {
  readonly before?: string | undefined;
  readonly limit: number;
}

/** Reads the messages of a chat: the newest, or those before one of them or before a time. Each page is oldest first. */
export function createHistory({ models, access, budget, faces }: Dependencies) {
  const toRange = async (chat: string, before: string | undefined): Promise<object> => {
    if (before === undefined) return {};
    if (!isId(before)) return earlierThan('createdAt', before);
    const found = await models.ChatMessage.findOne({ _id: before, chat }, { createdAt: 1 }).lean();
    if (found === null) throw messageNotFound();
    return behind('createdAt', { at: found.createdAt, _id: found._id });
  };

  return async (principal: Principal, { chatId, before, limit }: PageQuery & { chatId: string }) => {
    await budget.spend('page', principal);
    const { chat } = await access.open(principal, chatId);
    const messages = await models.ChatMessage.find({ chat: chat._id, ...(await toRange(chatId, before)) })
      .sort({ createdAt: -1, _id: -1 })
      .limit(limit)
      .lean<ChatMessage[]>();
    const people = await faces.read(messages.map(({ sender }) => sender));
    return messages.reverse().map((message): WireMessage => toWireMessage(message, people.get(String(message.sender))));
  };
}

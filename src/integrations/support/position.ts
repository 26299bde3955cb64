import { isObjectIdOrHexString, type Model, type Types } from 'mongoose';
import type { SupportMessage } from '#shared/models/support-message.js';
import { ChatError } from '../chats/index.js';

/** A place in the order of a conversation's messages: that of a message, or a time, before everything of that moment. */
export interface Position {
  readonly timestamp: Date;
  readonly _id: Types.ObjectId | undefined;
}

/** @throws ChatError `NOT_FOUND` for a message that is not in the conversation */
export async function ensureMessage(
  Message: Model<SupportMessage>,
  { conversationId, messageId }: { conversationId: string; messageId: string },
): Promise<Pick<SupportMessage, '_id' | 'timestamp'>> {
  const found = await Message.findOne({ _id: messageId, conversationId }, { timestamp: 1 }).lean();
  if (found === null) throw new ChatError('NOT_FOUND', 'Message not found or access denied');
  return found;
}

/**
 * @param at a message's id, or a time
 * @throws ChatError `NOT_FOUND` for a message that is not in the conversation
 */
export const findPosition = async (
  Message: Model<SupportMessage>,
  conversationId: string,
  at: string,
): Promise<Position> =>
  isObjectIdOrHexString(at)
    ? ensureMessage(Message, { conversationId, messageId: at })
    : { timestamp: new Date(at), _id: undefined };

/** What comes before a position. The bound on the time alone lets an index serve it. */
export const olderThan = ({ timestamp, _id }: Position) =>
  _id === undefined
    ? { timestamp: { $lt: timestamp } }
    : { timestamp: { $lte: timestamp }, $nor: [{ timestamp, _id: { $gte: _id } }] };

/** What comes after a position. */
export const newerThan = ({ timestamp, _id }: Position) =>
  _id === undefined
    ? { timestamp: { $gt: timestamp } }
    : { timestamp: { $gte: timestamp }, $nor: [{ timestamp, _id: { $lte: _id } }] };

import type { ChatMessage } from '#shared/models/chat-message.js';
import type { Principal } from '../../auth/principal.js';
import type { Context } from '../../realtime/context.js';
import { type ChatsAccess, messageNotFound } from './access.js';
import type { Budget } from './budget.js';
import type { Faces } from './faces.js';
import { ahead, behind, earlierThan, isId, laterThan, type Position } from './positions.js';
import { sentAt, toWireMessage, type WireMessage } from './to-wire.js';

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

/** The same of messages, which may also be those next after one that the client has. */
interface HistoryQuery extends PageQuery {
  readonly chatId: string;
  readonly after?: string | undefined;
}

const FIELD = 'createdAt';

/** Reads the messages of a chat: the newest, or those next before or after one of them or a time. A page is oldest first. */
export function createHistory({ models, access, budget, faces }: Dependencies) {
  const positionOf = async (chat: string, id: string): Promise<Position> => {
    const found = await models.ChatMessage.findOne({ _id: id, chat }, { createdAt: 1 }).lean();
    if (found === null) throw messageNotFound();
    return { at: sentAt(found), _id: found._id };
  };

  const toRange = async ({ chatId, before, after }: HistoryQuery): Promise<object> => {
    const ranges: object[] = [{}];
    if (before !== undefined) {
      ranges.push(isId(before) ? behind(FIELD, await positionOf(chatId, before)) : earlierThan(FIELD, before));
    }
    if (after !== undefined) {
      ranges.push(isId(after) ? ahead(FIELD, await positionOf(chatId, after)) : laterThan(FIELD, after));
    }
    return { $and: ranges };
  };

  return async (principal: Principal, query: HistoryQuery): Promise<WireMessage[]> => {
    await budget.spend('page', principal);
    const { chat } = await access.open(principal, query.chatId);
    // Whoever says what they have wants what comes next, not what is newest.
    const direction = query.after === undefined ? -1 : 1;
    const messages = await models.ChatMessage.find({ chat: chat._id, ...(await toRange(query)) })
      .sort({ createdAt: direction, _id: direction })
      .limit(query.limit)
      .lean<ChatMessage[]>();
    if (direction === -1) messages.reverse();
    const people = await faces.read(messages.map(({ sender }) => sender));
    return messages.map((message) => toWireMessage(message, people.get(String(message.sender))));
  };
}

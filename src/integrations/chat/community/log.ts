import type { Chat as StoredChat } from '#shared/models/chat.js';
import type { ChatMessage } from '#shared/models/chat-message.js';
import { equalText } from '#shared/models/stored-text.js';
import type { Context } from '../../../framework/context.js';
import { acknowledgedReadConcern } from '../../../platform/mongo/options.js';
import { type Blocks, createMessageLog, type MessageLog } from '../shared/index.js';
import { toAudience } from './publisher.js';
import { toWireMessage, type WireMessage } from './to-wire.js';
import type { UserSummaries } from './user-summaries.js';

/** The message log of the community chat. */
export interface ChatLog extends MessageLog<ChatMessage> {
  /** Finds the message of an earlier call with the same `clientMessageId`; `null` without one. */
  findStored(message: Pick<ChatMessage, 'chat' | 'sender' | 'clientMessageId'>): Promise<ChatMessage | null>;
}

/** What messages that are read to be sent need. */
interface Sources {
  readonly summaries: UserSummaries;
  readonly blocks: Pick<Blocks, 'of'>;
}

/** The log of the messages, and the search for one that is stored. */
export function createChatLog(context: Context, { summaries, blocks }: Sources): ChatLog {
  const { ChatMessage: Message, Chat } = context.models;

  const findStored: ChatLog['findStored'] = async ({ chat, sender, clientMessageId }) => {
    if (clientMessageId === undefined) return null;
    const key = { chat, sender, clientMessageId: equalText(clientMessageId) };
    return Message.findOne(key).readConcern(acknowledgedReadConcern).lean<ChatMessage | null>();
  };

  const log = createMessageLog<ChatMessage>(context, {
    kind: {
      model: Message,
      conversations: Chat as never,
      movedAt: 'lastActivity',
      parent: 'chat',
      time: 'createdAt',
    },
    topic: 'community',
    findStored,
    async toEvents(parent, messages) {
      const senders = messages.map(({ sender }) => sender);
      const [chat, people, ...blocked] = await Promise.all([
        Chat.findById(parent, { participants: 1 }).lean<Pick<StoredChat, 'participants'>>(),
        summaries.read(senders),
        ...senders.map((sender) => blocks.of(String(sender))),
      ]);
      return messages.map((message, index) => ({
        ...toAudience({ chat: chat ?? { participants: [] }, blocked: blocked[index] ?? [] }),
        ...toEvent(toWireMessage(message, people.get(String(message.sender)))),
      }));
    },
  });
  return { ...log, findStored };
}

/** The event that receivers get for a message. */
export const toEvent = (message: WireMessage) => ({
  event: 'chat:new_message',
  payload: { message, chatId: message.chat, timestamp: message.createdAt },
});

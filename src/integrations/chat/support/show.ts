import type { Models } from '#shared/models/index.js';
import type { SupportConversation } from '#shared/models/support-conversation.js';
import { toWireConversation, type WireConversation } from './to-wire.js';

/** Converts conversations to the wire, with their last messages. */
export function createShow({ SupportMessage: Message }: Pick<Models, 'SupportMessage'>) {
  const all = async (conversations: readonly SupportConversation[]): Promise<WireConversation[]> => {
    const ids = conversations.flatMap(({ lastMessage }) => lastMessage ?? []);
    const conversationId = { $in: conversations.map(({ _id }) => _id) };
    const found = ids.length === 0 ? [] : await Message.find({ _id: { $in: ids }, conversationId }).lean();
    const byId = new Map(found.map((message) => [message._id.toHexString(), message]));
    return conversations.map((one) => toWireConversation(one, byId.get(one.lastMessage?.toHexString() ?? '')));
  };
  return {
    all,
    async one(conversation: SupportConversation): Promise<WireConversation> {
      const { _id: conversationId, lastMessage } = conversation;
      const found = lastMessage == null ? null : await Message.findOne({ _id: lastMessage, conversationId }).lean();
      return toWireConversation(conversation, found ?? undefined);
    },
  };
}

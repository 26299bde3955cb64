import { Types } from 'mongoose';
import type { Conversation } from '#shared/models/conversation.js';
import { namedIn, participantsOf } from '../access.js';
import type { ConversationDependencies } from '../dependencies.js';
import type { Description, StoredMessage, WireMessage } from '../kind.js';
import type { createMembership } from '../membership.js';
import { publishMessage } from './publish.js';

interface Dependencies<D extends Description, M extends WireMessage> extends ConversationDependencies<D, M> {
  membership: ReturnType<typeof createMembership<D, M>>;
}

/**
 * Sends what another service has stored. That service may have changed unread counts without counting, and may have created
 * a conversation without members.
 */
export function createRepublish<D extends Description, M extends WireMessage>(dependencies: Dependencies<D, M>) {
  const { models, kind, counters, publish, publishConversation, membership } = dependencies;

  const readParticipants = async (conversation: Conversation) => {
    await membership.ensureMembers(conversation);
    const search_key = kind.searchKeyOf(conversation.title);
    await models.Member.updateMany(
      { conversation: conversation._id, search_key: { $ne: search_key } },
      { $set: { search_key } },
    );
    await counters.refresh([...namedIn(conversation)].map((user) => new Types.ObjectId(user)));
    const members = await models.Member.find({ conversation: conversation._id }).lean();
    return participantsOf({ conversation, members });
  };

  return {
    /** Sends a message to all participants of its conversations. */
    async message(message: StoredMessage): Promise<void> {
      const ids = [message.conversation_id].flat();
      const [toWire, conversations] = await Promise.all([
        kind.describeMessages([message]),
        kind.conversations.find({ _id: { $in: ids } }).lean<Conversation[]>(),
      ]);
      for (const conversation of conversations) {
        const conversationId = conversation._id.toHexString();
        const users = (await readParticipants(conversation)).map(({ user }) => user.toHexString());
        publishMessage({ publish, kind }, users, { message, conversationId, toWire });
      }
    },

    /** Sends a conversation to its participants. @param more additional fields */
    async conversation(conversation: Conversation, more: object): Promise<void> {
      const participants = await readParticipants(conversation);
      await publishConversation({ conversation, members: participants }, (view) => ({
        event: kind.events.added,
        payload: { ...view, ...more },
      }));
    },
  };
}

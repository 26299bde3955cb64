import type { Model } from 'mongoose';
import type { z } from 'zod';
import type { teamMessage } from '#shared/contracts/conversation-parts.js';
import type { Models } from '#shared/models/index.js';
import type { Message } from '#shared/models/message.js';
import { type ConversationKind, readPeople, type StoredMessage } from './core/index.js';

/** How a conversation of a team is described. */
export interface TeamDescription {
  title: string;
  image: string[];
}

/** A message of a team's conversation, on the wire. */
export type TeamMessage = z.infer<typeof teamMessage>;

/** Conversations of a team: what is said is a `Message` of a user. */
export const createTeamKind = (models: Models): ConversationKind<TeamDescription, TeamMessage> => ({
  name: 'team',
  conversations: models.Conversation,
  // Read as what all kinds have in common.
  messages: models.Message as unknown as Model<StoredMessage>,
  events: { added: 'add_conversation', message: 'message', read: 'read' },
  said: {},
  describe:
    async () =>
    ({ title, image }) => ({ title, image }),
  async describeMessages(messages) {
    const person = await readPeople(
      models,
      messages.map(({ sent_by }) => sent_by),
    );
    return (message, { viewerId }) => {
      const { _id, UUID, conversation_id, data, type, sent_by, mentions, attachments, createdAt } = message as Message;
      const { _id: senderId, name, image } = person(sent_by);
      return {
        _id: _id.toHexString(),
        UUID: UUID ?? null,
        conversation_id: conversation_id.toHexString(),
        data,
        type,
        sent_by: { _id: senderId, name, image },
        mentions: mentions.map((id) => id.toHexString()),
        attachments,
        is_sender: senderId === viewerId,
        createdAt: createdAt.toISOString(),
      };
    };
  },
});

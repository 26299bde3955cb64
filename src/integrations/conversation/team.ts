import type { Model } from 'mongoose';
import type { z } from 'zod';
import { attachment, type teamMessage } from '#shared/contracts/conversation-parts.js';
import type { Models } from '#shared/models/index.js';
import type { Message } from '#shared/models/message.js';
import { foldText } from '#shared/utilities/fold-text.js';
import { safeParse } from '../../validation.js';
import { type ConversationKind, madeAt, readPeople, type StoredMessage } from './conversations.js';

/** Descriptive fields of a team conversation. */
export interface TeamDescription {
  title: string;
  image: string[];
}

/** A message of a team conversation on the wire. */
export type TeamMessage = z.infer<typeof teamMessage>;

/** Team conversations: their messages are `Message` documents of users. */
export const createTeamKind = (models: Models): ConversationKind<TeamDescription, TeamMessage> => ({
  name: 'team',
  conversations: models.Conversation,
  // Typed as the fields that all kinds share.
  messageModel: 'Message',
  messages: models.Message as unknown as Model<StoredMessage>,
  events: { added: 'add_conversation', message: 'message', read: 'read' },
  fieldsOfSent: {},
  searchKeyOf: foldText,
  describe:
    async () =>
    ({ title, image }) => ({ title, image }),
  async describeMessages(messages, known) {
    const senders = messages.flatMap(({ sent_by }) => sent_by ?? []);
    const people = await readPeople(models, senders, known);
    return (message, { conversationId, viewerId }) => {
      const { _id, UUID, data, type, sent_by, mentions, attachments } = message as Message;
      const { _id: senderId, name, image } = people.of(sent_by);
      return {
        _id: _id.toHexString(),
        UUID: UUID ?? null,
        conversation_id: conversationId,
        data,
        type,
        sent_by: { _id: senderId, name, image },
        mentions: mentions.map((id) => id.toHexString()),
        attachments: attachments.flatMap(toAttachment),
        is_sender: senderId === viewerId,
        createdAt: madeAt(message).toISOString(),
      };
    };
  },
});

/** Filters attachments: other services may store other values, or links that must not be followed. */
function toAttachment(stored: unknown): TeamMessage['attachments'] {
  const parsed = safeParse(attachment, stored);
  return parsed.success ? [parsed.data] : [];
}

import type { Model, Types } from 'mongoose';
import type { z } from 'zod';
import type { prospectConversation, prospectMessage } from '#shared/contracts/conversation-parts.js';
import type { Communication } from '#shared/models/communication.js';
import type { Contact } from '#shared/models/contact.js';
import type { Conversation, ConversationProspect } from '#shared/models/conversation.js';
import type { Models } from '#shared/models/index.js';
import { foldText } from '#shared/utilities/fold-text.js';
import { toIdText } from '../../../models/index.js';
import { type ConversationKind, madeAt, readPeople, type StoredMessage } from '../conversations.js';

/** Descriptive fields of a prospect conversation; the contact fills in missing ones. */
export interface ProspectDescription {
  title: string;
  image: string[];
  contact_id: z.infer<typeof prospectConversation>['contact_id'];
}

type Described = Pick<ConversationProspect, '_id' | 'title' | 'image' | 'contact_id'>;

/** A communication on the wire. */
export type ProspectMessage = z.infer<typeof prospectMessage>;

/** Prospect conversations: their messages are `Communication` documents, sent by a user or by the contact. */
export const createProspectKind = (models: Models): ConversationKind<ProspectDescription, ProspectMessage> => ({
  name: 'prospect',
  // Typed as the fields that all kinds share.
  conversations: models.ConversationProspect as unknown as Model<Conversation>,
  messageModel: 'Communication',
  messages: models.Communication as unknown as Model<StoredMessage>,
  events: { added: 'prospect_add_conversation', message: 'prospect_message', read: 'prospect_read' },
  // Only notes are sent here; other services store the rest.
  fieldsOfSent: { type: 'NOTE' },
  // Without a title it shows the contact's name, which can change at any time.
  searchKeyOf: (title) => (title === '' ? null : foldText(title)),
  async describe(conversations) {
    const contact = await readContacts(
      models,
      conversations.map((conversation) => (conversation as Described).contact_id),
    );
    return (conversation) => {
      const found = contact((conversation as Described).contact_id);
      const { title, image } = conversation;
      return {
        title: title === '' ? (found?.name ?? '') : title,
        image: image.length === 0 ? [found?.image ?? []].flat() : image,
        contact_id: found === undefined ? null : toWire(found),
      };
    };
  },
  async describeMessages(messages, known) {
    const senders = messages as readonly Communication[];
    // Without a type, the sender decides the direction.
    const ofContacts = senders.filter(({ type = 'INCOMING' }) => type === 'INCOMING');
    const ofUsers = senders.filter(({ type }) => type !== 'INCOMING');
    const [contact, people] = await Promise.all([
      readContacts(
        models,
        ofContacts.map(({ sent_by }) => sent_by),
      ),
      readPeople(
        models,
        ofUsers.flatMap(({ sent_by }) => sent_by ?? []),
        known,
      ),
    ]);
    return (message, { conversationId, viewerId }) => {
      const { _id, UUID, data, sent_by } = message as Communication;
      const { type = contact(sent_by) === undefined ? 'OUTGOING' : 'INCOMING' } = message as Communication;
      const sender = type === 'INCOMING' ? contact(sent_by) : sent_by && people.of(sent_by);
      const senderId = toIdText(sent_by);
      return {
        _id: _id.toHexString(),
        UUID: UUID ?? null,
        type,
        data,
        sent_by: { _id: senderId, name: sender?.name ?? '', email: sender?.email ?? null },
        conversation_id: conversationId,
        is_sender: senderId === viewerId,
        createdAt: madeAt(message).toISOString(),
      };
    };
  },
});

/** The displayed fields of a contact. */
type ShownContact = Omit<Contact, 'account'>;

const shownFields = { name: 1, email: 1, phone: 1, image: 1 };

async function readContacts(
  { Contact: model }: Pick<Models, 'Contact'>,
  ids: readonly (Types.ObjectId | undefined)[],
): Promise<(id: Types.ObjectId | undefined) => ShownContact | undefined> {
  const unique = [...new Set(ids.flatMap((id) => id?.toHexString() ?? []))];
  const found = unique.length === 0 ? [] : await model.find({ _id: { $in: unique } }, shownFields).lean();
  const byId = new Map(found.map((contact) => [contact._id.toHexString(), contact]));
  return (id) => (id === undefined ? undefined : byId.get(id.toHexString()));
}

const toWire = ({ _id, name, email, phone, image }: ShownContact) => ({
  _id: _id.toHexString(),
  name: name ?? '',
  email: email ?? null,
  phone: phone ?? null,
  image: image ?? null,
});

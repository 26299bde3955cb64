import { type Connection, type Model, Schema, type SchemaDefinition, type Types } from 'mongoose';

/**
 * What the participants of a conversation share. Its messages and each participant's own state are elsewhere. Other services
 * write these collections too: times may be missing.
 */
export interface Conversation {
  _id: Types.ObjectId;
  account: Types.ObjectId;
  users: Types.ObjectId[];
  /** `''` when none was given. */
  title: string;
  image: string[];
  channel_id: string;
  created_by: Types.ObjectId;
  is_open: boolean;
  /** The user who changed the fields above last, if the gateway stored that. */
  changed_by?: Types.ObjectId;
  /** The newest message. */
  last_activity: Types.ObjectId | null;
  /** When that was sent, or else the conversation was made; never moves back. */
  last_activity_at?: Date;
  createdAt?: Date;
  updatedAt?: Date;
}

/** A conversation about a contact. Its messages are communications. */
export interface ConversationProspect extends Conversation {
  contact_id: Types.ObjectId;
}

const { ObjectId } = Schema.Types;

const shared = {
  account: { type: ObjectId, required: true },
  users: { type: [ObjectId], required: true },
  title: { type: String, default: '' },
  image: { type: [String], default: [] },
  channel_id: { type: String, required: true },
  created_by: { type: ObjectId, required: true },
  is_open: { type: Boolean, default: true },
  changed_by: ObjectId,
  last_activity: { type: ObjectId, default: null },
  last_activity_at: { type: Date, default: () => new Date() },
} satisfies SchemaDefinition;

const teamSchema = new Schema<Conversation>(shared, { collection: 'conversations', timestamps: true });

teamSchema.index({ users: 1 }, { comment: 'a search for participants looks through the list of conversations' });

const prospectSchema = new Schema<ConversationProspect>(
  { ...shared, contact_id: { type: ObjectId, required: true } },
  { collection: 'conversation.prospects', timestamps: true },
);

const defineConversation = (connection: Connection): Model<Conversation> =>
  connection.model<Conversation>('Conversation', teamSchema);
const defineConversationProspect = (connection: Connection): Model<ConversationProspect> =>
  connection.model<ConversationProspect>('ConversationProspect', prospectSchema);

/** The models on one connection. */
export const defineConversations = (connection: Connection) => ({
  Conversation: defineConversation(connection),
  ConversationProspect: defineConversationProspect(connection),
});

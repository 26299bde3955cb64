import { type Connection, type Model, Schema, type Types } from 'mongoose';

/** A file that goes with a message: where it is, or that and what is known of it. */
export type Attachment = string | { url: string; name?: string; type?: string; size?: number };

/** A message of a team's conversation. Other services write this collection too: the time may be missing. */
export interface Message {
  _id: Types.ObjectId;
  /** The client's id; a repeated id of the same sender is a retry. */
  UUID?: string;
  conversation_id: Types.ObjectId;
  data: string;
  type: string;
  sent_by: Types.ObjectId;
  mentions: Types.ObjectId[];
  attachments: Attachment[];
  createdAt?: Date;
}

const { ObjectId, Mixed } = Schema.Types;

const schema = new Schema<Message>(
  {
    UUID: String,
    conversation_id: { type: ObjectId, required: true },
    data: { type: String, required: true },
    type: { type: String, default: 'text' },
    sent_by: { type: ObjectId, required: true },
    mentions: { type: [ObjectId], default: [] },
    attachments: { type: [Mixed], default: [] },
    createdAt: { type: Date, default: () => new Date() },
  },
  { collection: 'conversation.messages' },
);
schema.index({ conversation_id: 1, createdAt: -1, _id: -1 });
schema.index(
  { conversation_id: 1, sent_by: 1, UUID: 1 },
  { unique: true, partialFilterExpression: { UUID: { $type: 'string' } } },
);

/** The model on one connection. */
export const defineMessage = (connection: Connection): Model<Message> => connection.model<Message>('Message', schema);

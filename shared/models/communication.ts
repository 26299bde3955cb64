import { type Connection, type Model, Schema, type Types } from 'mongoose';

/** The type of a communication: from the contact, to the contact, or an internal note. */
export const communicationTypes = ['INCOMING', 'OUTGOING', 'NOTE'] as const;

/** A message or note about a contact. It can belong to several conversations. Other services write this collection too. */
export interface Communication {
  _id: Types.ObjectId;
  UUID?: string;
  account: Types.ObjectId;
  conversation_id: Types.ObjectId[];
  /** Missing when another service wrote no known type; the sender then decides the direction. */
  type?: (typeof communicationTypes)[number];
  data: string;
  /** The contact when it is `INCOMING`, else a user. */
  sent_by?: Types.ObjectId;
  createdAt?: Date;
}

const { ObjectId } = Schema.Types;

const schema = new Schema<Communication>(
  {
    UUID: String,
    account: { type: ObjectId, required: true },
    conversation_id: { type: [ObjectId], required: true },
    type: { type: String, enum: communicationTypes, required: true },
    data: { type: String, default: '' },
    sent_by: { type: ObjectId },
    createdAt: { type: Date, default: () => new Date() },
  },
  { collection: 'communications' },
);
schema.index({ conversation_id: 1, createdAt: -1, _id: -1 });
// Notes alone: what other services write is theirs to keep apart.
schema.index(
  { conversation_id: 1, sent_by: 1, UUID: 1 },
  { unique: true, partialFilterExpression: { type: 'NOTE', UUID: { $type: 'string' } } },
);

/** The model on one connection. */
export const defineCommunication = (connection: Connection): Model<Communication> =>
  connection.model<Communication>('Communication', schema);

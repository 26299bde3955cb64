import { type Connection, type Model, Schema, type Types } from 'mongoose';

/** A support conversation. It holds who may access it; the gateway reads that again for each event. */
export interface SupportConversation {
  _id: Types.ObjectId;
  participants: Types.ObjectId[];
  /** The assigned agent. */
  assignedTo: Types.ObjectId | null;
  /** The user who assigned it, if the gateway stored that. */
  assignedBy?: Types.ObjectId;
  /** The agent before that. */
  assignedFrom?: Types.ObjectId | null;
  /** The user who closed it, if the gateway stored that. */
  closedBy?: Types.ObjectId;
  /** Its members may read the conversation and assign it to themselves. */
  departmentId: Types.ObjectId | null;
  /** The visitor of the conversation, who is not a user. */
  visitorId: string | null;
  subject: string;
  status: 'open' | 'pending' | 'resolved' | 'closed';
  priority: 'low' | 'normal' | 'high' | 'urgent';
  lastMessage: Types.ObjectId | null;
  /** The position of that message; absent if an earlier version of the gateway stored it. */
  storedPosition?: number;
  /** Every message up to this position has been sent; never moves back. It can be before the last message. */
  lastPosition?: number;
  /** The time of the last message. */
  lastMessageAt: Date | null;
  createdBy: Types.ObjectId | null;
  createdAt: Date;
  updatedAt: Date;
}

const { ObjectId } = Schema.Types;

const schema = new Schema<SupportConversation>(
  {
    participants: { type: [ObjectId], required: true },
    assignedTo: { type: ObjectId, default: null },
    assignedBy: ObjectId,
    assignedFrom: ObjectId,
    closedBy: ObjectId,
    departmentId: { type: ObjectId, default: null },
    visitorId: { type: String, default: null },
    subject: { type: String, default: '' },
    status: { type: String, enum: ['open', 'pending', 'resolved', 'closed'], default: 'open' },
    priority: { type: String, enum: ['low', 'normal', 'high', 'urgent'], default: 'normal' },
    lastMessage: { type: ObjectId, default: null },
    storedPosition: Number,
    lastPosition: Number,
    lastMessageAt: { type: Date, default: null },
    createdBy: { type: ObjectId, default: null },
  },
  { collection: 'support.conversations', timestamps: true },
);
schema.index({ participants: 1, updatedAt: -1, _id: -1 });
schema.index({ assignedTo: 1, updatedAt: -1, _id: -1 });
schema.index({ departmentId: 1, updatedAt: -1, _id: -1 });

/** The model on one connection. */
export const defineSupportConversation = (connection: Connection): Model<SupportConversation> =>
  connection.model<SupportConversation>('SupportConversation', schema);

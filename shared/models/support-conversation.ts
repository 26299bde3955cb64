import { type Connection, type Model, Schema, type Types } from 'mongoose';

/** A conversation of the support chat. Who may hear it stands in it, and is read again for each event. */
export interface SupportConversation {
  _id: Types.ObjectId;
  participants: Types.ObjectId[];
  /** The agent who has it. */
  assignedTo: Types.ObjectId | null;
  /** Its members may look into the conversation and take it. */
  departmentId: Types.ObjectId | null;
  /** Who is on the other side without being a user. */
  visitorId: string | null;
  subject: string;
  status: 'open' | 'pending' | 'resolved' | 'closed';
  priority: 'low' | 'normal' | 'high' | 'urgent';
  lastMessage: Types.ObjectId | null;
  /** The position of that message; never moves back. */
  lastPosition?: number;
  /** When that was said. */
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
    departmentId: { type: ObjectId, default: null },
    visitorId: { type: String, default: null },
    subject: { type: String, default: '' },
    status: { type: String, enum: ['open', 'pending', 'resolved', 'closed'], default: 'open' },
    priority: { type: String, enum: ['low', 'normal', 'high', 'urgent'], default: 'normal' },
    lastMessage: { type: ObjectId, default: null },
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

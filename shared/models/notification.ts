import { type Connection, type Model, Schema, type Types } from 'mongoose';

/** A notification of a community user. Other services write this collection too. */
export interface Notification {
  _id: Types.ObjectId;
  recipient: Types.ObjectId;
  sender?: Types.ObjectId | null;
  /** `message`: a new message. Other services add types of their own. */
  type: string;
  title: string;
  message: string;
  relatedChat?: Types.ObjectId | null;
  relatedMessage?: Types.ObjectId | null;
  /** The position of that message in its chat, if it has one. */
  position?: number | null;
  isRead: boolean;
  readAt?: Date | null;
  createdAt: Date;
}

const { ObjectId } = Schema.Types;

const schema = new Schema<Notification>(
  {
    recipient: { type: ObjectId, required: true },
    sender: { type: ObjectId, default: null },
    type: { type: String, default: 'message' },
    title: { type: String, default: '' },
    message: { type: String, default: '' },
    relatedChat: { type: ObjectId, default: null },
    relatedMessage: { type: ObjectId, default: null },
    position: Number,
    isRead: { type: Boolean, default: false },
    readAt: { type: Date, default: null },
    createdAt: { type: Date, default: () => new Date() },
  },
  { collection: 'community.notifications' },
);
schema.index({ recipient: 1, createdAt: -1, _id: -1 });
// What is unread is counted and put away for each user, and for each chat of theirs.
schema.index(
  { recipient: 1, relatedChat: 1, position: -1, createdAt: -1 },
  { name: 'unread_by_position', partialFilterExpression: { isRead: false } },
);
// What repeats a message follows it when it is edited or deleted.
schema.index({ relatedMessage: 1 });

/** The model on one connection. */
export const defineNotification = (connection: Connection): Model<Notification> =>
  connection.model<Notification>('Notification', schema);

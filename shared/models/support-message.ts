import { type Connection, type Model, Schema, type Types } from 'mongoose';
import { NO_POSITION_INDEX, noPosition } from './message-position.js';

/** Where the content of a message's file is, and what was found out about it. */
export interface SupportFile {
  fileId: Types.ObjectId;
  fileName: string;
  fileSize: number;
  fileType: string;
}

/** A message of a support conversation. */
export interface SupportMessage {
  _id: Types.ObjectId;
  conversationId: Types.ObjectId;
  /** The id of a user or visitor, according to `senderType`. */
  senderId: string;
  senderType: 'user' | 'visitor';
  senderName: string;
  content: string;
  type: 'text' | 'file' | 'image';
  file: SupportFile | null;
  /** Metadata of the client. */
  metadata: Record<string, unknown> | null;
  /** The client's id; a repeated id of the same sender is a retry. */
  clientMessageId?: string;
  /**
   * The place in the order of the conversation: 1, 2, 3 … without a gap, so that none is stored below one that was seen.
   * Missing: stored by another service, or before there were positions. Those come first, in the order of their times.
   */
  position?: number;
  /** For display. Rises with the position unless clocks differ by more than a minute. */
  timestamp: Date;
  editedAt: Date | null;
  isDeleted: boolean;
}

/** The read position of one reader in one conversation. */
export interface SupportRead {
  _id: Types.ObjectId;
  conversationId: Types.ObjectId;
  readerId: string;
  readerType: 'user' | 'visitor';
  messageId: Types.ObjectId;
  /** The position of that message, if it has one; never moves back. */
  position?: number;
  /** When that message was sent. */
  messageAt: Date;
  readAt: Date;
}

const { ObjectId, Mixed } = Schema.Types;

const fileSchema = new Schema<SupportFile>(
  { fileId: ObjectId, fileName: String, fileSize: Number, fileType: String },
  { _id: false },
);

const messageSchema = new Schema<SupportMessage>(
  {
    conversationId: { type: ObjectId, required: true },
    senderId: { type: String, required: true },
    senderType: { type: String, enum: ['user', 'visitor'], default: 'user' },
    senderName: { type: String, default: '' },
    content: { type: String, default: '' },
    type: { type: String, enum: ['text', 'file', 'image'], default: 'text' },
    file: { type: fileSchema, default: null },
    metadata: { type: Mixed, default: null },
    clientMessageId: String,
    position: Number,
    timestamp: { type: Date, default: () => new Date() },
    editedAt: { type: Date, default: null },
    isDeleted: { type: Boolean, default: false },
  },
  { collection: 'support.messages', minimize: false },
);
messageSchema.index({ conversationId: 1, timestamp: -1, _id: -1 });
messageSchema.index(
  { conversationId: 1, position: -1 },
  { unique: true, partialFilterExpression: { position: { $gt: 0 } } },
);
// Messages without a position. The field in the middle tells this index from the first one in databases that have that.
messageSchema.index(
  { conversationId: 1, position: 1, timestamp: -1, _id: -1 },
  { partialFilterExpression: { position: null } },
);
messageSchema.index({ conversationId: 1 }, { name: NO_POSITION_INDEX, partialFilterExpression: noPosition });
messageSchema.index(
  { conversationId: 1, senderId: 1, senderType: 1, clientMessageId: 1 },
  { unique: true, partialFilterExpression: { clientMessageId: { $type: 'string' } } },
);

const readSchema = new Schema<SupportRead>(
  {
    conversationId: { type: ObjectId, required: true },
    readerId: { type: String, required: true },
    readerType: { type: String, enum: ['user', 'visitor'], default: 'user' },
    messageId: { type: ObjectId, required: true },
    position: Number,
    messageAt: { type: Date, required: true },
    readAt: { type: Date, required: true },
  },
  { collection: 'support.reads' },
);
readSchema.index({ conversationId: 1, readerId: 1, readerType: 1 }, { unique: true });

const defineSupportMessage = (connection: Connection): Model<SupportMessage> =>
  connection.model<SupportMessage>('SupportMessage', messageSchema);
const defineSupportRead = (connection: Connection): Model<SupportRead> =>
  connection.model<SupportRead>('SupportRead', readSchema);

/** The models on one connection. */
export const defineSupportMessages = (connection: Connection) => ({
  SupportMessage: defineSupportMessage(connection),
  SupportRead: defineSupportRead(connection),
});

import { type Connection, type Model, Schema, type Types } from 'mongoose';
import { NO_POSITION_INDEX, noPosition } from './message-position.js';

/** A message in a community chat. Other services write this collection too. */
export interface ChatMessage {
  _id: Types.ObjectId;
  chat: Types.ObjectId;
  sender: Types.ObjectId;
  /** `''` once it is deleted. */
  content: string;
  messageType?: string;
  /** The client's id; a repeated id of the same sender is a retry. */
  clientMessageId?: string;
  replyTo?: Types.ObjectId | null;
  readBy?: { user: Types.ObjectId; readAt: Date }[];
  reactions?: { user: Types.ObjectId; emoji: string; createdAt: Date }[];
  isEdited?: boolean;
  editedAt?: Date | null;
  isDeleted?: boolean;
  deletedAt?: Date | null;
  /** The user who deleted it, if the gateway stored that. */
  deletedBy?: Types.ObjectId;
  /** The last reaction that was added or removed: the user's id, a blank, and the emoji. */
  lastReaction?: string;
  /**
   * The place in the order of the chat: 1, 2, 3 … without a gap, so that none is stored below one that was seen. Missing:
   * stored by another service, or before there were positions. Those come first, in the order of their times.
   */
  position?: number;
  /** For display. Rises with the position unless clocks differ by more than a minute. */
  createdAt: Date;
}

const { ObjectId } = Schema.Types;

const schema = new Schema<ChatMessage>(
  {
    chat: { type: ObjectId, required: true },
    sender: { type: ObjectId, required: true },
    content: { type: String, default: '' },
    messageType: { type: String, default: 'text' },
    clientMessageId: String,
    replyTo: { type: ObjectId, default: null },
    readBy: { type: [{ _id: false, user: ObjectId, readAt: Date }], default: [] },
    reactions: { type: [{ _id: false, user: ObjectId, emoji: String, createdAt: Date }], default: [] },
    isEdited: { type: Boolean, default: false },
    editedAt: { type: Date, default: null },
    isDeleted: { type: Boolean, default: false },
    deletedAt: { type: Date, default: null },
    deletedBy: ObjectId,
    lastReaction: String,
    position: Number,
    createdAt: { type: Date, default: () => new Date() },
  },
  { collection: 'community.messages' },
);
schema.index({ chat: 1, createdAt: -1, _id: -1 });
schema.index({ chat: 1, position: -1 }, { unique: true, partialFilterExpression: { position: { $gt: 0 } } });
// Messages without a position. The field in the middle tells this index from the first one in databases that have that.
schema.index({ chat: 1, position: 1, createdAt: -1, _id: -1 }, { partialFilterExpression: { position: null } });
schema.index({ chat: 1 }, { name: NO_POSITION_INDEX, partialFilterExpression: noPosition });
schema.index(
  { chat: 1, sender: 1, clientMessageId: 1 },
  { unique: true, partialFilterExpression: { clientMessageId: { $type: 'string' } } },
);

/** The model on one connection. */
export const defineChatMessage = (connection: Connection): Model<ChatMessage> =>
  connection.model<ChatMessage>('ChatMessage', schema);

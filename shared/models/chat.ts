import { type Connection, type Model, Schema, type Types } from 'mongoose';

/** The direct chat of two users. There is one chat for the two, because there is one pair. */
export interface ChatPair {
  /** The ids of both, sorted, with a colon between them. */
  _id: string;
  /** Stored before the chat. */
  chat: Types.ObjectId;
}

/** What one participant has of their own in a chat. */
export interface ChatSetting {
  user: Types.ObjectId;
  isMuted?: boolean;
  /** Muted until then; takes precedence over `isMuted`. */
  mutedUntil?: Date | null;
  /** The newest message of others that the participant has read; never moves back. */
  lastReadMessage?: Types.ObjectId | null;
  /** Its position, if it has one. */
  readPosition?: number | null;
  /** When it was sent. */
  readUpTo?: Date | null;
}

/** A community chat. Other services write this collection too, so optional fields may be missing. */
export interface Chat {
  _id: Types.ObjectId;
  /** Who may hear it; read again for each event. */
  participants: Types.ObjectId[];
  type: 'direct' | 'group';
  groupName?: string | null;
  lastMessage?: Types.ObjectId | null;
  /** The position of that message, and its time; the position is absent if an earlier version of the gateway stored it. */
  storedPosition?: number | null;
  lastMessageAt?: Date | null;
  /** Every message up to this position has been sent; never moves back. It can be before the last message. */
  lastPosition?: number | null;
  /** When something happened last, for the order of lists. */
  lastActivity?: Date | null;
  pinnedMessages?: Types.ObjectId[];
  /** What was pinned or unpinned last: the message's id, a blank, and the user's. */
  lastPin?: string;
  participantSettings?: ChatSetting[];
  /** Both users of a direct chat, as in the id of {@link ChatPair}. */
  directKey?: string;
  createdAt?: Date;
}

const { ObjectId } = Schema.Types;

const schema = new Schema<Chat>(
  {
    participants: { type: [ObjectId], required: true },
    type: { type: String, enum: ['direct', 'group'], default: 'direct' },
    groupName: { type: String, default: null },
    lastMessage: { type: ObjectId, default: null },
    storedPosition: Number,
    lastPosition: Number,
    lastMessageAt: Date,
    lastActivity: { type: Date, default: () => new Date() },
    pinnedMessages: { type: [ObjectId], default: [] },
    lastPin: String,
    participantSettings: {
      type: [
        {
          _id: false,
          user: { type: ObjectId, required: true },
          isMuted: { type: Boolean, default: false },
          mutedUntil: { type: Date, default: null },
          lastReadMessage: { type: ObjectId, default: null },
          readPosition: Number,
          readUpTo: { type: Date, default: null },
        },
      ],
      default: [],
    },
    directKey: String,
  },
  { collection: 'community.chats', timestamps: true },
);
schema.index({ participants: 1, lastActivity: -1, _id: -1 });
// Earlier versions create a unique index with the default name at their start. Beside this one they still can.
schema.index(
  { directKey: 1 },
  { name: 'directKey_of_chats', partialFilterExpression: { directKey: { $type: 'string' } } },
);
// The two of a direct chat in stored order, so that one without a key is found however many chats they have.
schema.index({ 'participants.0': 1, 'participants.1': 1 }, { partialFilterExpression: { type: 'direct' } });

const pairSchema = new Schema<ChatPair>(
  { _id: String, chat: { type: ObjectId, required: true } },
  { collection: 'community.pairs' },
);

/** The models on one connection. */
export const defineChats = (connection: Connection): { Chat: Model<Chat>; ChatPair: Model<ChatPair> } => ({
  Chat: connection.model<Chat>('Chat', schema),
  ChatPair: connection.model<ChatPair>('ChatPair', pairSchema),
});

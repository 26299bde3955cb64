import type { Model, Types } from 'mongoose';

/** What a message of either chat has that its place in the order is made of. */
export interface OrderedMessage {
  readonly _id: Types.ObjectId;
  /** Missing when another service stored it. */
  readonly position?: number | null;
  readonly clientMessageId?: string;
}

/** Where the messages of one chat are, and how their fields are called. */
export interface MessageKind<M extends OrderedMessage> {
  readonly model: Model<M>;
  /** The field with the id of the conversation. */
  readonly parent: keyof M & string;
  /** The field with the time of the message. */
  readonly time: keyof M & string;
}

/** The newest message of a conversation, as far as it is known. */
export interface Newest {
  /** 0: there is none. */
  readonly position: number;
  readonly at?: unknown;
}

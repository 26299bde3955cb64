import type { Model, Types } from 'mongoose';

/** The fields of a message that determine its order. */
export interface OrderedMessage {
  readonly _id: Types.ObjectId;
  /** Missing if another service stored the message. */
  readonly position?: number | null;
  readonly clientMessageId?: string;
}

/** The collection of one chat, and the names of its fields. */
export interface MessageKind<M extends OrderedMessage> {
  readonly model: Model<M>;
  /** The collection of its conversations, which have the position up to which everything was sent as `lastPosition`. */
  readonly conversations: Pick<Model<unknown>, 'collection'>;
  /** The field of its conversations by which clients order them: no earlier than the messages that were sent. */
  readonly movedAt: string;
  /** The field with the id of the conversation. */
  readonly parent: keyof M & string;
  /** The field with the time of the message. */
  readonly time: keyof M & string;
}

/** The last known message of a conversation. */
export interface Newest {
  /** 0: none. */
  readonly position: number;
  readonly at?: unknown;
}

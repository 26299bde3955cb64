import { type Connection, type Model, Schema, type Types } from 'mongoose';
import { conversationKinds } from './member.js';

/** The numbers that a user sees at a channel. */
export const counterNames = ['open', 'unread', 'closed', 'priority', 'snoozed'] as const;

/** The sizes of a user's lists: the same, and those that have no counter. */
export const tallyNames = [...counterNames, 'listed', 'archived'] as const;

/** Conversations of one user and channel, by state. */
export type Counters = Record<(typeof counterNames)[number], number>;

/** Sizes of the lists of one kind of conversation. */
export type Tally = Record<(typeof tallyNames)[number], number>;

/** What is counted for one user and channel: over all kinds for display, by kind for paging. */
export interface Counter extends Counters {
  _id: Types.ObjectId;
  user: Types.ObjectId;
  /** A channel, or `you` (all of them), `mentions` or `prospect`. */
  channel_id: string;
  team: Tally;
  prospect: Tally;
  /** Rises with every change of the five numbers. */
  version: number;
  /** When the user's conversations were last counted one by one; kept with `you`. */
  recounted_at: Date | null;
}

const count = { type: Number, default: 0 };
const tally = Object.fromEntries(tallyNames.map((name) => [name, count]));

const schema = new Schema<Counter>(
  {
    user: { type: Schema.Types.ObjectId, required: true },
    channel_id: { type: String, required: true },
    ...Object.fromEntries(counterNames.map((name) => [name, count])),
    ...Object.fromEntries(conversationKinds.map((kind) => [kind, tally])),
    version: count,
    recounted_at: { type: Date, default: null },
  },
  { collection: 'conversation.counters' },
);
schema.index({ user: 1, channel_id: 1 }, { unique: true });

/** The model on one connection. */
export const defineCounter = (connection: Connection): Model<Counter> => connection.model<Counter>('Counter', schema);

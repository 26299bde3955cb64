import { type Connection, type Model, Schema, type Types } from 'mongoose';

/** The kinds of conversation; each has collections of its own for conversations and messages, members have one. */
export const conversationKinds = ['team', 'prospect'] as const;

/** A kind of conversation. */
export type ConversationKindName = (typeof conversationKinds)[number];

/**
 * One user's own state in one conversation, with copies of what lists are ordered and counted by, so that every list is a
 * read of one index.
 */
export interface Member {
  _id: Types.ObjectId;
  conversation: Types.ObjectId;
  kind: ConversationKindName;
  user: Types.ObjectId;
  account: Types.ObjectId;
  channel_id: string;
  unread_count: number;
  show_on_top: boolean;
  /** `null`: not snoozed. A past time counts as snoozed until a pass has cleared it. */
  snoozed_until: Date | null;
  archived: boolean;
  mentioned: boolean;
  /** The newest message that the user has read, and when it was sent; they never move back. */
  last_read: Types.ObjectId | null;
  last_read_at: Date | null;
  /** Copies of the conversation's. */
  is_open: boolean;
  last_activity_at?: Date;
  /**
   * The conversation's title as `foldText` makes it, for searching. `null`: there is no key; the conversation is looked at, or
   * the contact by which it is shown.
   */
  search_key: string | null;
}

const { ObjectId } = Schema.Types;

const schema = new Schema<Member>(
  {
    conversation: { type: ObjectId, required: true },
    kind: { type: String, enum: conversationKinds, default: 'team' },
    user: { type: ObjectId, required: true },
    account: { type: ObjectId, required: true },
    channel_id: { type: String, required: true },
    unread_count: { type: Number, default: 0 },
    show_on_top: { type: Boolean, default: false },
    snoozed_until: { type: Date, default: null },
    archived: { type: Boolean, default: false },
    mentioned: { type: Boolean, default: false },
    last_read: { type: ObjectId, default: null },
    last_read_at: { type: Date, default: null },
    is_open: { type: Boolean, default: true },
    last_activity_at: { type: Date, default: () => new Date() },
    search_key: { type: String, default: null },
  },
  { collection: 'conversation.members' },
);

/** The order of every list: what is pinned, then the newest. */
export const memberOrder = { show_on_top: -1, last_activity_at: -1, _id: -1 } as const;

/** The filters of the lists. Queries name the index they use, and repeat its filter exactly. */
export const memberLists = {
  listed: { archived: false, snoozed_until: null },
  open: { archived: false, snoozed_until: null, is_open: true },
  closed: { archived: false, is_open: false },
  unread: { archived: false, unread_count: { $gt: 0 } },
  priority: { archived: false, show_on_top: true },
  snoozed: { archived: false, snoozed_until: { $gt: new Date(0) } },
  archived: { archived: true },
  mentioned: { archived: false, mentioned: true },
} as const;

/** The name of a list. */
export type MemberList = keyof typeof memberLists;

/** The lists that have an index for each channel too, because they grow long. */
const channelLists: readonly MemberList[] = ['listed', 'open', 'closed', 'unread', 'archived'];

/** The index that serves a list, of one channel or of all. */
export const memberIndexOf = (list: MemberList, isOfChannel: boolean): string =>
  isOfChannel && channelLists.includes(list) ? `${list}_of_channel` : list;

schema.index({ conversation: 1, user: 1 }, { unique: true });
schema.index({ user: 1, conversation: 1 });
for (const [list, partialFilterExpression] of Object.entries(memberLists) as [MemberList, object][]) {
  schema.index({ user: 1, kind: 1, ...memberOrder }, { name: list, partialFilterExpression });
  if (!channelLists.includes(list)) continue;
  schema.index(
    { user: 1, kind: 1, channel_id: 1, ...memberOrder },
    { name: `${list}_of_channel`, partialFilterExpression },
  );
}
schema.index({ kind: 1, snoozed_until: 1 }, { partialFilterExpression: { snoozed_until: { $gt: new Date(0) } } });

/** The model on one connection. */
export const defineMember = (connection: Connection): Model<Member> => connection.model<Member>('Member', schema);

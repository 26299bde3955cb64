import type { Types } from 'mongoose';
import type { Conversation } from '#shared/models/conversation.js';

/** The state of a user in a team conversation, as another service stores it. */
export const storedMember = (
  { _id, account, channel_id, is_open, last_activity_at }: StoredConversation,
  user: Types.ObjectId | undefined,
) => ({
  conversation: _id,
  kind: 'team',
  user,
  account,
  channel_id,
  archived: false,
  snoozed_until: null,
  show_on_top: false,
  unread_count: 0,
  is_open,
  last_activity_at,
});

type StoredConversation = Pick<Conversation, '_id' | 'channel_id' | 'is_open' | 'last_activity_at'> & {
  readonly account: Types.ObjectId | undefined;
};

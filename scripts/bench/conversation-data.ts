import { Types } from 'mongoose';
import type { Models } from '#shared/models/index.js';
import { foldText } from '#shared/utilities/fold-text.js';

const SEED_BATCH = 2000;
/** Time of the oldest stored conversation, Unix time in milliseconds. */
const BEGINNING = 1_700_000_000_000;

/** The first twenty seconds of the data of {@link addConversations}. */
export const LONG_AGO = { from: '2023-11-14T00:00:00Z', to: '2023-11-14T22:13:40Z' };

/** Stores conversations of two users in the format of other services. @returns the id of the newest */
export async function addConversations(
  { Conversation, Member, Message }: Models,
  { user, other, count }: { user: { id: string; accountId: string }; other: { id: string }; count: number },
): Promise<string> {
  const account = new Types.ObjectId(user.accountId);
  const users = [user.id, other.id].map((id) => new Types.ObjectId(id));
  const [own] = users;
  if (own === undefined) throw new Error('no client is connected');
  let newest = '';
  for (let start = 0; start < count; start += SEED_BATCH) {
    const conversations = Array.from({ length: Math.min(SEED_BATCH, count - start) }, (_, n) => {
      const at = new Date(BEGINNING + (start + n) * 1000);
      const _id = new Types.ObjectId();
      const shared = { account, channel_id: 'x', is_open: true, last_activity_at: at, title: `Talk ${start + n}` };
      return {
        _id,
        users,
        ...shared,
        image: [],
        created_by: own,
        last_activity: new Types.ObjectId(),
        createdAt: at,
        updatedAt: at,
      };
    });
    newest = String(conversations.at(-1)?._id);
    await Conversation.collection.insertMany(conversations);
    await Message.collection.insertMany(
      conversations.map(({ _id, last_activity, createdAt }) => {
        const message = { data: 'Hello', type: 'text', mentions: [], attachments: [], UUID: String(last_activity) };
        return { _id: last_activity, conversation_id: _id, sent_by: own, createdAt, ...message };
      }),
    );
    await Member.collection.insertMany(
      conversations.map(({ _id, channel_id, is_open, last_activity_at, title }, n) => ({
        _id: new Types.ObjectId(),
        conversation: _id,
        kind: 'team' as const,
        user: own,
        account,
        channel_id,
        is_open,
        last_activity_at,
        search_key: foldText(title),
        unread_count: n % 4 === 0 ? 1 : 0,
        show_on_top: false,
        snoozed_until: null,
        archived: false,
        mentioned: false,
        last_read: null,
        last_read_at: null,
      })),
    );
  }
  return newest;
}

/** Stores messages, one per second. */
export async function addMessages(
  { Message }: Models,
  { conversation, sender, count }: { conversation: string; sender: string; count: number },
): Promise<void> {
  const content = { data: 'Hello', type: 'text', mentions: [], attachments: [], sent_by: new Types.ObjectId(sender) };
  for (let start = 0; start < count; start += SEED_BATCH) {
    await Message.collection.insertMany(
      Array.from({ length: Math.min(SEED_BATCH, count - start) }, (_, n) => ({
        _id: new Types.ObjectId(),
        conversation_id: new Types.ObjectId(conversation),
        UUID: `m${start + n}`,
        createdAt: new Date(BEGINNING + (start + n) * 1000),
        ...content,
      })),
    );
  }
}

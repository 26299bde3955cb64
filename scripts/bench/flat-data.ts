import { type Model, Types } from 'mongoose';
import type { Models } from '#shared/models/index.js';
import { seedUsers } from './seed.js';
import { ACCOUNT_ID, CHANNEL, CIRCLE, sharedIdOf, userIdOf } from './wire.js';

const BATCH = 5000;
/** Time of the oldest document, Unix time in milliseconds. */
const BEGINNING = 1_700_000_000_000;

const at = (n: number): Date => new Date(BEGINNING + n * 1000);

/**
 * Stores users, and gives the first one so many conversations, support conversations, chats and notifications, each with
 * another user. What its circle shares is the newest of each and has as many messages.
 */
export async function seedFlatness(models: Models, count: number): Promise<void> {
  await seedUsers(models, Math.max(count, CIRCLE));
  const own = new Types.ObjectId(userIdOf(0));
  const otherOf = (n: number): Types.ObjectId =>
    new Types.ObjectId(userIdOf(CIRCLE + (n % Math.max(1, count - CIRCLE))));
  const ids = Array.from({ length: count }, () => new Types.ObjectId());
  await addConversations(models, { own, otherOf, ids });
  await addMessages(models, new Types.ObjectId(userIdOf(1)), count);
  await insertMany(models.Notification, count, (n) => ({
    recipient: own,
    sender: otherOf(n),
    type: 'message',
    title: 'Other',
    message: 'Hello',
    createdAt: at(n),
    isRead: n % 2 === 0,
    relatedChat: ids[n % 10],
  }));
}

interface Conversations {
  readonly own: Types.ObjectId;
  readonly otherOf: (n: number) => Types.ObjectId;
  readonly ids: readonly Types.ObjectId[];
}

async function addConversations(models: Models, { own, otherOf, ids }: Conversations): Promise<void> {
  const account = new Types.ObjectId(ACCOUNT_ID);
  const count = ids.length;
  const shared = (n: number) => ({ account, channel_id: CHANNEL, is_open: n % 3 > 0, last_activity_at: at(n) });
  await insertMany(models.Conversation, count, (n) => ({
    _id: ids[n],
    users: [own, otherOf(n)],
    title: `Talk ${n}`,
    image: [],
    created_by: own,
    ...shared(n),
    createdAt: at(n),
    updatedAt: at(n),
  }));
  await insertMany(models.Member, count, (n) => ({
    conversation: ids[n],
    kind: 'team',
    user: own,
    ...shared(n),
    search_key: `talk ${n}`,
    unread_count: n % 4 === 0 ? 1 : 0,
    show_on_top: n % 100 === 0,
    archived: false,
    snoozed_until: null,
    mentioned: n % 5 === 0,
    last_read: null,
    last_read_at: null,
  }));
  await insertMany(models.SupportConversation, count, (n) => ({
    _id: ids[n],
    participants: [own, otherOf(n)],
    createdBy: own,
    status: 'open',
    createdAt: at(n),
    updatedAt: at(n),
  }));
  await insertMany(models.Chat, count, (n) => ({
    _id: ids[n],
    participants: [own, otherOf(n)],
    groupName: `Group ${n}`,
    lastActivity: at(n),
    // The direct ones are as another service makes them: without a key.
    type: n % 2 === 0 ? 'direct' : 'group',
  }));
}

/** The messages of what the first circle shares. */
async function addMessages(models: Models, sender: Types.ObjectId, count: number): Promise<void> {
  const parent = new Types.ObjectId(sharedIdOf(0));
  await insertMany(models.Message, count, (n) => ({
    conversation_id: parent,
    UUID: `m${n}`,
    data: 'Hello',
    type: 'text',
    sent_by: sender,
    mentions: [],
    attachments: [],
    createdAt: at(n),
  }));
  await insertMany(models.SupportMessage, count, (n) => ({
    conversationId: parent,
    senderId: sender.toHexString(),
    senderType: 'user',
    senderName: 'Other',
    content: 'Hello',
    type: 'text',
    timestamp: at(n),
    position: n + 1,
    isDeleted: false,
  }));
  await insertMany(models.ChatMessage, count, (n) => ({
    chat: parent,
    sender,
    content: 'Hello',
    createdAt: at(n),
    position: n + 1,
  }));
  await models.SupportConversation.updateOne({ _id: parent }, { lastPosition: count, storedPosition: count });
  await models.Chat.updateOne({ _id: parent }, { lastPosition: count, storedPosition: count });
}

/** Through the driver, which is faster and stores no defaults. */
async function insertMany<T>(
  { collection }: Model<T>,
  count: number,
  toDocument: (n: number) => object,
): Promise<void> {
  for (let first = 0; first < count; first += BATCH) {
    const documents = Array.from({ length: Math.min(BATCH, count - first) }, (_, n) => toDocument(first + n));
    await collection.insertMany(documents as never[]);
  }
}

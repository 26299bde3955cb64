import { Types } from 'mongoose';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openApplication } from '../realtime/delivery/application.js';
import type { TestClient } from '../support/client.js';
import { createTestEnvironment, dataOf, type TestEnvironment, type TestUser } from '../support/environment.js';
import { call } from './chat/community/community.js';
import { accessesOf } from './query-plans.js';

/*
 * Lists, searches, counters and messages of a user with a hundred thousand conversations, support conversations, chats and
 * notifications, and as many messages in the newest of each, while a hundred thousand durable messages wait for others. Every
 * query examines a bounded number of documents, as `explain` tells, and no more than of a user with a hundred; time is not
 * measured: `npm run bench -- flat` does.
 */

const SMALL = 100;
const LARGE = 100_000;
/** A query may examine so many times as many documents with the large number as with the small one. */
const RATIO_MAX = 1.5;
const BATCH = 5000;
const BEGINNING = 1_700_000_000_000;
/** What a query may examine: a page of entries. */
const PAGE_MAX = 150;
/** What one of a search or a total examines at most, as the READMEs say. */
const SEARCHED_MAX = 5000;
/** A participant of more conversations is looked for in the list. */
const CANDIDATES_MAX = 500;
/** The community chat marks and counts messages and notifications among so many. */
const LOOKED_MAX = 1000;
/** Events with queries that examine more, up to another bound. */
const BOUNDS: Readonly<Record<string, number>> = {
  'conversations: a search': SEARCHED_MAX,
  'conversations: a search for a user': CANDIDATES_MAX + 1,
  'conversations: a period': SEARCHED_MAX,
  'conversations: messages': SEARCHED_MAX,
  'conversations: messages before': SEARCHED_MAX,
};

/** A user, with a client on each namespace, and the newest of what they have. */
interface Subject {
  readonly user: TestUser;
  readonly other: TestUser;
  readonly team: TestClient;
  readonly chats: TestClient;
  readonly newest: string;
  /** A message in the middle of the newest conversation, and of the newest chat. */
  readonly middle: string;
}

/** Users for whom durable messages wait, and messages of one call. */
const AWAY = 200;
const ITEMS_MAX = 100;

let environment: TestEnvironment;
let small: Subject;
let large: Subject;

beforeAll(async () => {
  environment = await createTestEnvironment();
  small = await createSubject(SMALL);
  large = await createSubject(LARGE);
  await storeWaiting(LARGE);
});
afterAll(() => environment.close());

async function insertMany(name: keyof TestEnvironment['models'], count: number, toDocument: (n: number) => object) {
  const { collection } = environment.models[name];
  for (let first = 0; first < count; first += BATCH) {
    const documents = Array.from({ length: Math.min(BATCH, count - first) }, (_, n) => toDocument(first + n));
    await collection.insertMany(documents as never[]);
  }
}

async function createSubject(count: number): Promise<Subject> {
  const [user, other] = await environment.people(`User with ${count}`, `Other with ${count}`);
  const account = new Types.ObjectId(user.accountId);
  const users = [user, other].map(({ id }) => new Types.ObjectId(id));
  const [own, others] = users;
  const ids = Array.from({ length: count }, () => new Types.ObjectId());
  const messageIds = Array.from({ length: count }, () => new Types.ObjectId());
  const at = (n: number): Date => new Date(BEGINNING + n * 1000);
  const newest = ids.at(-1);
  const shared = (n: number) => ({ account, channel_id: 'x', is_open: n % 3 > 0, last_activity_at: at(n) });
  await insertMany('Conversation', count, (n) => ({
    _id: ids[n],
    users,
    title: `Talk ${n}`,
    image: [],
    created_by: own,
    last_activity: messageIds[n],
    ...shared(n),
    createdAt: at(n),
    updatedAt: at(n),
  }));
  await insertMany('Member', count, (n) => ({
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
  await insertMany('Message', count, (n) => ({
    _id: messageIds[n],
    conversation_id: newest,
    UUID: `m${n}`,
    data: 'Hello',
    type: 'text',
    sent_by: others,
    mentions: [],
    attachments: [],
    createdAt: at(n),
  }));
  await insertMany('SupportConversation', count, (n) => ({
    _id: ids[n],
    participants: users,
    createdBy: own,
    status: 'open',
    createdAt: at(n),
    updatedAt: at(n),
  }));
  await insertMany('SupportMessage', count, (n) => ({
    _id: messageIds[n],
    conversationId: newest,
    senderId: other.id,
    senderType: 'user',
    senderName: 'Other',
    content: 'Hello',
    type: 'text',
    timestamp: at(n),
    position: n + 1,
    isDeleted: false,
  }));
  await insertMany('Chat', count, (n) => ({
    _id: ids[n],
    groupName: `Group ${n}`,
    lastActivity: at(n),
    ...(n % 2 === 0
      ? { participants: [own, new Types.ObjectId()], type: 'direct' }
      : { participants: users, type: 'group' }),
  }));
  await insertMany('ChatMessage', count, (n) => ({
    _id: messageIds[n],
    chat: newest,
    sender: others,
    content: 'Hello',
    createdAt: at(n),
    position: n + 1,
  }));
  await insertMany('Notification', count, (n) => ({
    recipient: own,
    sender: others,
    type: 'message',
    title: 'Other',
    message: 'Hello',
    createdAt: at(n),
    isRead: n % 2 === 0,
    relatedChat: ids[n % 10],
  }));
  const subject = {
    user,
    other,
    newest: String(newest),
    middle: String(messageIds[count / 2]),
    team: await environment.open(user),
    chats: await environment.open(user, { namespace: '/' }),
  };
  await subject.chats.next('presence_snapshot');
  // The first one counts everything.
  dataOf(await subject.team.ask('channel', { channel_id: 'x' }));
  return subject;
}

/** Durable messages for users who were connected once. */
async function storeWaiting(count: number): Promise<void> {
  const gateway = environment.node(0);
  const users = Array.from({ length: AWAY }, (_, n) => `away-${n}`);
  for (const user of users) await comeBack(user);
  for (let first = 0; first < count; first += ITEMS_MAX) {
    const items = Array.from({ length: ITEMS_MAX }, (_, n) => {
      return { userId: users[(first + n) % AWAY], event: 'm', payload: { n }, durable: true };
    });
    expect((await gateway.call('POST', '/emit', { items })).status).toBe(200);
  }
}

/** A device connects, and gets what was stored for it. */
async function comeBack(user: string, messages = 0): Promise<void> {
  const application = await openApplication(environment.node(0), { user, deviceId: 'phone' });
  await (messages === 0 ? application.ready() : application.has(messages));
  application.close();
}

/** What is done, by chat and name. */
const events: Readonly<Record<string, (subject: Subject) => Promise<unknown>>> = {
  'conversations: a channel': ({ team }) => team.ask('channel', { channel_id: 'x' }),
  'conversations: all channels': ({ team }) => team.ask('channel', {}),
  'conversations: a list': ({ team }) => team.ask('list_conversation', {}),
  'conversations: a list with messages': ({ team }) => team.ask('list_conversation', { message_limit: 3 }),
  'conversations: unread': ({ team }) => team.ask('conversation_filter', { status: 'unread' }),
  'conversations: pinned': ({ team }) => team.ask('conversation_filter', { status: 'priority', channel_id: 'x' }),
  'conversations: a period': ({ team }) => team.ask('conversation_filter', { from: '2023-11-14T22:13:30Z' }),
  'conversations: a search': ({ team }) => team.ask('list_conversation', { search: 'no such title' }),
  'conversations: a search that finds many': ({ team }) => team.ask('list_conversation', { search: 'talk' }),
  'conversations: a search for a user': ({ team, other }) => team.ask('conversation_filter', { users: [other.id] }),
  'conversations: messages': ({ team, newest }) => team.ask('list_message', { conversation_id: newest }),
  'conversations: messages before': ({ team, newest, middle }) =>
    team.ask('list_message', { conversation_id: newest, before: middle }),
  'conversations: a message': ({ team, newest }) => team.ask('message', { conversation_id: newest, data: 'Hi' }),
  'conversations: reading': ({ team, newest }) => team.ask('read', { conversation_id: newest }),
  'conversations: pinning': ({ team, newest }) => team.ask('show_on_top', { conversation_id: newest }),
  'conversations: a new one': ({ team, other }) => team.ask('add_conversation', { users: [other.id], channel_id: 'x' }),
  'support: a list': ({ user }) => call(environment, user, ['GET', '/api/v1/conversations?limit=20']),
  'support: messages': ({ user, newest }) =>
    call(environment, user, ['GET', `/api/v1/conversations/${newest}/messages?limit=50`]),
  'support: a message': ({ chats, newest }) => chats.ask('send_message', { conversationId: newest, content: 'Hi' }),
  'support: reading': ({ chats, newest, middle }) =>
    chats.ask('mark_as_read', { conversationId: newest, messageId: middle }),
  'community: a list with unread counts': ({ user }) => call(environment, user, ['GET', '/api/chats?limit=20']),
  'community: messages': ({ user, newest }) =>
    call(environment, user, ['GET', `/api/chats/${newest}/messages?limit=50`]),
  'community: a message': ({ chats, newest }) => chats.ask('chat:send_message', { chatId: newest, content: 'Hi' }),
  'community: reading': ({ chats, newest, middle }) =>
    chats.ask('chat:mark_read', { chatId: newest, messageId: middle }),
  'community: notifications': ({ chats }) => chats.ask('notification:list', { limit: 20 }),
  'community: unread notifications': ({ chats }) => chats.ask('notification:get_unread_count', {}),
  'community: a direct chat': ({ user, other }) =>
    call(environment, user, ['POST', '/api/chats/direct', { participantId: other.id }]),
};

/** The most documents that a query of each event examines. */
async function examinedBy(subject: Subject): Promise<Map<string, { queries: number; examined: number }>> {
  const found = new Map<string, { queries: number; examined: number }>();
  for (const [name, work] of Object.entries(events)) {
    const accesses = await accessesOf(environment.connection, async () => {
      const answer = (await work(subject)) as { success?: boolean; status?: number };
      expect(answer.success === true || (answer.status ?? 500) < 300, `${name} ${JSON.stringify(answer)}`).toBe(true);
    });
    const own = accesses.filter(({ collection }) => !collection.startsWith('delivery.'));
    found.set(name, {
      queries: own.length,
      examined: Math.max(...own.map(({ documentsExamined }) => documentsExamined)),
    });
  }
  return found;
}

test('no query examines more documents with a hundred thousand than with a hundred, or than it is bounded to', async () => {
  const [before, after] = [await examinedBy(small), await examinedBy(large)];
  const lines = [...after].map(([name, { queries, examined }]) => {
    const least = before.get(name)?.examined ?? 0;
    const page = name.startsWith('community') ? LOOKED_MAX : PAGE_MAX;
    const most = BOUNDS[name] ?? Math.max(least * RATIO_MAX, page);
    return { isFault: examined > most, text: `${name}: ${queries} queries, ${least} and ${examined} documents` };
  });
  const table = lines.map(({ text }) => text).join('\n');
  expect(
    lines.filter(({ isFault }) => isFault).map(({ text }) => text),
    table,
  ).toEqual([]);
});

test('a device that comes back reads what waits for it alone', async () => {
  const missed = 10;
  await comeBack('back');
  const items = Array.from({ length: missed }, (_, n) => ({
    userId: 'back',
    event: 'm',
    payload: { n },
    durable: true,
  }));
  await environment.node(0).call('POST', '/emit', { items });
  const accesses = await accessesOf(environment.connection, () => comeBack('back', missed));
  const read = accesses.filter(({ collection }) => collection.startsWith('delivery.'));
  expect(read.length).toBeGreaterThan(0);
  for (const { documentsExamined, ...access } of read) {
    expect(documentsExamined, JSON.stringify(access)).toBeLessThanOrEqual(PAGE_MAX);
  }
});

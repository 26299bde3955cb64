import { type Connection, Types } from 'mongoose';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { TestClient } from '../../../support/client.js';
import { createTestClock } from '../../../support/clock.js';
import { createTestEnvironment, dataOf, type TestEnvironment } from '../../../support/environment.js';
import { accessesOf, expectBoundedAccess } from '../../query-plans.js';
import { addChat, call, type Member, members, open } from './community.js';

const CHATS = 2000;
/** Documents that may be sorted. */
const FEW = 5;
const MESSAGES = 3000;
const NOTIFICATIONS = 3000;
const MEMBERS = 3000;
/** Chats whose people a user is notified of. */
const NEWEST_MAX = 500;
const BEGINNING = 1_700_000_000_000;

let environment: TestEnvironment;
let connection: Connection;
let ann: Member;
let bob: Member;
let a: TestClient;
let chatId: string;
let messageIds: string[];

beforeAll(async () => {
  environment = await createTestEnvironment({ overrides: { clock: createTestClock() } });
  const { models } = environment;
  connection = models.Chat.db;
  [ann, bob] = await members(environment, ['Ann', 'Bob'], { joinedGroups: [{ groupType: 'single' }] });
  const participants = [ann, bob].map(({ id }) => new Types.ObjectId(id));
  const at = (index: number) => new Date(BEGINNING + index * 1000);
  const chats = Array.from({ length: CHATS }, (_, index) => ({
    participants,
    type: 'group',
    groupName: `Group ${index}`,
    lastActivity: at(index),
  }));
  await models.Chat.collection.insertMany(chats as never[]);
  chatId = await addChat(environment, [ann, bob], { lastActivity: at(CHATS) });
  const [annId, bobId] = participants;
  const messages = Array.from({ length: MESSAGES }, (_, index) => ({
    _id: new Types.ObjectId(),
    chat: new Types.ObjectId(chatId),
    content: 'x',
    createdAt: at(index),
    sender: index % 2 === 0 ? annId : bobId,
  }));
  messageIds = messages.map(({ _id }) => String(_id));
  await models.ChatMessage.collection.insertMany(messages as never[]);
  const notifications = Array.from({ length: NOTIFICATIONS }, (_, index) => ({
    recipient: annId,
    sender: bobId,
    type: 'message',
    title: 'Bob',
    message: 'x',
    createdAt: at(index),
    isRead: index % 2 === 0,
    relatedChat: index % 3 === 0 ? new Types.ObjectId(chatId) : new Types.ObjectId(),
  }));
  await models.Notification.collection.insertMany(notifications as never[]);
  const group = Array.from({ length: MEMBERS }, (_, index) => ({
    firstName: `Member ${index}`,
    joinedGroups: [{ groupType: 'healing' }],
    lastSeen: at(index),
  }));
  await models.User.collection.insertMany(group as never[]);
  a = await open(environment, ann);
});
afterAll(() => environment.close());

/** What is done with the database meanwhile, but for what others in this process do by themselves. */
const accessesDuring = async (work: () => Promise<unknown>) =>
  (await accessesOf(connection, work)).filter(({ collection }) => /^community\.|^_users$/.test(collection));

test('no event of a user reads more than a page', async () => {
  const ask = async (event: string, data: object) => dataOf(await a.ask(event, data));
  const get = async (path: string) => expect((await call(environment, ann, ['GET', path])).status).toBe(200);
  const [middle = ''] = messageIds.slice(MESSAGES / 2);
  const ownMessage = messageIds.at(-2);
  const does: Record<string, () => Promise<unknown>> = {
    connects: async () => (await open(environment, ann)).next('presence_snapshot'),
    'lists chats': () => get('/api/chats?limit=20'),
    'lists more chats': () => get(`/api/chats?limit=20&before=${chatId}`),
    'lists messages': () => get(`/api/chats/${chatId}/messages?limit=100`),
    'lists older messages': () => get(`/api/chats/${chatId}/messages?before=${middle}`),
    'lists newer messages': () => get(`/api/chats/${chatId}/messages?limit=100&after=${middle}`),
    sends: () => ask('chat:send_message', { chatId, content: 'hi', clientMessageId: '1', replyToId: middle }),
    'sends again': () => ask('chat:send_message', { chatId, content: 'hi', clientMessageId: '1' }),
    reads: () => ask('chat:mark_read', { chatId, messageId: messageIds[101] }),
    'reads on': () => ask('chat:mark_read', { chatId, messageId: messageIds[201] }),
    joins: () => ask('chat:join', { chatId }),
    types: () => ask('chat:typing_start', { chatId }),
    reacts: () => ask('chat:add_reaction', { messageId: middle, emoji: '👍' }),
    pins: () => ask('chat:pin_message', { messageId: middle }),
    unpins: () => ask('chat:unpin_message', { messageId: middle }),
    deletes: () => ask('chat:delete_message', { messageId: ownMessage }),
    'opens a direct chat': () => call(environment, ann, ['POST', '/api/chats/direct', { participantId: bob.id }]),
    'lists notifications': () => ask('notification:list', { limit: 50 }),
    'joins a group': () => ask('group:join', { groupType: 'single' }),
    'lists a group': () => ask('group:get_online', { groupType: 'single' }),
    'asks who is online': () => ask('presence:get_online', { chatId }),
  };
  const mostOf = (what: string, collection: string): number | undefined => {
    if (collection !== 'community.chats') return undefined;
    // A user who connects is notified of the people in their newest chats.
    return { connects: NEWEST_MAX }[what];
  };
  for (const [what, work] of Object.entries(does)) {
    const accesses = await accessesDuring(work);
    expect(accesses.length, what).toBeGreaterThan(0);
    for (const access of accesses) {
      const { collection, stages, documentsExamined } = access;
      expectBoundedAccess(access, what, mostOf(what, collection));
      // Of two people there are few direct chats, which are sorted.
      const isSorted = stages.includes('SORT') && documentsExamined > FEW;
      expect(isSorted && collection === 'community.chats', what).toBe(false);
    }
  }
});

test("one lookup of a user's contacts serves both the snapshot and the online event", async () => {
  const accesses = await accessesDuring(async () => {
    const b = await open(environment, bob);
    expect(await b.next('presence_snapshot')).toEqual([{ online: [ann.id] }]);
    expect(await a.next('user_online')).toEqual([{ userId: bob.id }]);
  });
  expect(accesses.filter(({ collection }) => collection === 'community.chats')).toHaveLength(1);
});

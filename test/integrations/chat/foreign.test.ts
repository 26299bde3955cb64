import { Types } from 'mongoose';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { z } from 'zod';
import { chat as wireChat, chatMessage as wireMessage } from '#shared/contracts/community-parts.js';
import { createTestEnvironment, dataOf, type TestEnvironment } from '../../support/environment.js';
import { askGently, nameOf, storeVariants } from '../foreign.js';
import { addChat, call, type Member, members, open as openCommunity } from './community/community.js';
import { addConversation, openChat } from './support/chat.js';

let environment: TestEnvironment;

beforeAll(async () => {
  environment = await createTestEnvironment();
});
afterAll(() => environment.close());

const idsOf = (entries: readonly { _id: string }[]): string[] => entries.map(({ _id }) => _id).sort();
const textsOf = (variants: readonly { _id: Types.ObjectId }[]): string[] =>
  variants.map(({ _id }) => String(_id)).sort();

/** What a REST route answered, held to its contract. */
async function read(who: Member, path: string, schema?: z.ZodType): Promise<{ _id: string }[]> {
  const { status, json } = await call(environment, who, ['GET', path]);
  expect([path, status, json.message]).toEqual([path, 200, 'SUCCESS']);
  if (schema !== undefined) for (const entry of json.data) expect(schema.safeParse(entry).error).toBeUndefined();
  return json.data;
}

/** Two people of the community. */
async function two() {
  return members(environment, ['Ann', 'Bob']);
}

test('support messages with odd fields are listed, edited and read', async () => {
  const [ann, bob] = await environment.people('Ann', 'Bob');
  const a = await openChat(environment, ann);
  const conversationId = await addConversation(environment, [ann, bob]);
  const variants = await storeVariants(
    environment.models.SupportMessage,
    ['conversationId', 'position'],
    ({ _id }) => ({
      _id,
      conversationId: new Types.ObjectId(conversationId),
      senderId: ann.id,
      senderType: 'user',
      senderName: 'Ann',
      content: 'text',
      type: 'text',
      file: null,
      metadata: null,
      clientMessageId: String(_id),
      timestamp: new Date(),
      editedAt: null,
      isDeleted: false,
    }),
  );
  const found: { _id: string }[] = [];
  for (let before: string | undefined; ; ) {
    const page = dataOf(await a.ask('get_messages', { conversationId, limit: 41, ...(before && { before }) }));
    found.push(...page.messages);
    if (!page.hasMore) break;
    before = page.messages[0]._id;
  }
  expect(idsOf(found)).toEqual(textsOf(variants));
  for (const variant of variants.filter(({ kind }) => kind === 'object' || kind === 'string')) {
    const data = { conversationId, messageId: String(variant._id) };
    await askGently(a, 'mark_as_read', data, nameOf(variant));
    await askGently(a, 'edit_message', { ...data, content: 'new' }, nameOf(variant));
  }
  await storeVariants(environment.models.SupportRead, ['conversationId', 'position'], ({ _id }) => ({
    _id,
    conversationId: new Types.ObjectId(conversationId),
    readerId: String(_id),
    readerType: 'user',
    messageId: variants[0]?._id,
    messageAt: new Date(),
    readAt: new Date(),
  }));
  const { reads } = dataOf(await a.ask('get_messages', { conversationId, limit: 1 }));
  expect(reads.length).toBeGreaterThan(20);
});

test('support conversations and departments with odd fields are listed and opened', async () => {
  const [ann, bob] = await environment.people('Ann', 'Bob');
  const a = await openChat(environment, ann);
  const participants = [ann, bob].map(({ id }) => new Types.ObjectId(id));
  const variants = await storeVariants(environment.models.SupportConversation, ['participants'], ({ _id }) => ({
    _id,
    participants,
    assignedTo: null,
    departmentId: null,
    visitorId: null,
    subject: 's',
    status: 'open',
    priority: 'normal',
    lastMessage: null,
    lastMessageAt: null,
    createdBy: participants[0],
    createdAt: new Date(),
    updatedAt: new Date(),
  }));
  const found: { _id: string }[] = [];
  for (let before: string | undefined; ; ) {
    const page = dataOf(await a.ask('get_conversations', { limit: 41, ...(before && { before }) }));
    found.push(...page.conversations);
    if (!page.hasMore) break;
    before = page.conversations.at(-1)._id;
  }
  expect(idsOf(found)).toEqual(textsOf(variants));
  for (const variant of variants) {
    await askGently(a, 'join_conversation', { conversationId: String(variant._id) }, nameOf(variant));
  }
  await storeVariants(environment.models.Department, [], ({ _id }) => ({
    _id,
    name: 'Sales',
    members: participants,
    createdAt: new Date(),
    updatedAt: new Date(),
  }));
  const { status, json } = await call(environment, ann, ['GET', '/api/v1/departments']);
  expect([status, json.data.departments.every(({ name }: { name: unknown }) => typeof name === 'string')]).toEqual([
    200,
    true,
  ]);
  await openChat(environment, ann);
});

test('chats with odd fields are listed, entered and spoken in', async () => {
  const [ann, bob] = await two();
  const a = await openCommunity(environment, ann);
  const participants = [ann, bob].map(({ id }) => new Types.ObjectId(id));
  const variants = await storeVariants(environment.models.Chat, ['participants'], ({ _id }) => ({
    _id,
    participants,
    type: 'group',
    groupName: 'Group',
    lastMessage: null,
    lastActivity: new Date(),
    pinnedMessages: [],
    participantSettings: [],
    createdAt: new Date(),
    updatedAt: new Date(),
  }));
  const found: { _id: string }[] = [];
  for (;;) {
    const last = found.at(-1);
    const page = await read(ann, `/api/chats?limit=50${last === undefined ? '' : `&before=${last._id}`}`, wireChat);
    found.push(...page);
    if (page.length < 50) break;
  }
  expect(idsOf(found)).toEqual(textsOf(variants));
  for (const variant of variants) {
    const chatId = String(variant._id);
    await askGently(a, 'chat:join', { chatId }, nameOf(variant));
    if (variant.kind !== 'object' && variant.kind !== 'string') continue;
    const speaker = (await members(environment, ['Eve']))[0];
    await environment.models.Chat.collection.updateOne({ _id: variant._id as never }, {
      $push: { participants: new Types.ObjectId(speaker.id) },
    } as never);
    const client = await openCommunity(environment, speaker);
    const said = await askGently(client, 'chat:send_message', { chatId, content: 'text' }, nameOf(variant));
    await askGently(a, 'chat:mark_read', { chatId }, nameOf(variant));
    if (said.success)
      await askGently(client, 'chat:pin_message', { chatId, messageId: said.data._id }, nameOf(variant));
    client.close();
  }
});

test('chat messages and notifications with odd fields are listed, and changed by everything that changes messages', async () => {
  const [ann, bob] = await two();
  const a = await openCommunity(environment, ann);
  const chatId = await addChat(environment, [ann, bob]);
  const [own, other] = [ann, bob].map(({ id }) => new Types.ObjectId(id));
  const variants = await storeVariants(environment.models.ChatMessage, ['chat', 'position'], ({ _id }) => ({
    _id,
    chat: new Types.ObjectId(chatId),
    sender: other,
    content: 'text',
    messageType: 'text',
    createdAt: new Date(),
    clientMessageId: String(_id),
    replyTo: null,
    readBy: [],
    reactions: [],
    isEdited: false,
    isDeleted: false,
  }));
  const found: { _id: string }[] = [];
  for (;;) {
    const [first] = found;
    const query = first === undefined ? '' : `&before=${first._id}`;
    const page = await read(ann, `/api/chats/${chatId}/messages?limit=50${query}`, wireMessage);
    found.unshift(...page);
    if (page.length < 50) break;
  }
  expect(idsOf(found)).toEqual(textsOf(variants));
  for (const variant of variants.filter(({ kind }) => kind === 'object')) {
    const data = { chatId, messageId: String(variant._id) };
    for (const [event, more] of [
      ['chat:add_reaction', { emoji: '👍' }],
      ['chat:mark_read', {}],
      ['chat:pin_message', {}],
      ['chat:edit_message', { content: 'new' }],
    ] as const) {
      await askGently(a, event, { ...data, ...more }, nameOf(variant));
    }
  }
  const notifications = await storeVariants(environment.models.Notification, ['recipient', 'position'], ({ _id }) => ({
    _id,
    recipient: own,
    sender: other,
    type: 'message',
    title: 'Bob',
    message: 'text',
    isRead: false,
    relatedChat: new Types.ObjectId(chatId),
    relatedMessage: null,
    readAt: null,
    createdAt: new Date(),
  }));
  const { notifications: listed } = dataOf(await a.ask('notification:list', { limit: 100 }));
  expect(listed.length).toBeGreaterThanOrEqual(Math.min(100, notifications.length - 1));
  await askGently(a, 'notification:mark_all_read', {}, 'notifications');
});

/** Reads a whole list, each page beside the last entry of the one before, until a page is empty. @returns the ids */
async function walk(
  read: (cursor: string | undefined) => Promise<{ _id: string }[]>,
  lastOf: (page: { _id: string }[]) => { _id: string } | undefined,
): Promise<string[]> {
  const ids: string[] = [];
  for (let page = await read(undefined); page.length > 0; page = await read(lastOf(page)?._id))
    ids.push(...idsOf(page));
  return ids;
}

test('entries whose id no request could name take no place on a page', async () => {
  const [ann, bob] = await two();
  const { Chat, ChatMessage, Notification, SupportConversation, SupportMessage } = environment.models;
  const people = [ann, bob].map(({ id }) => new Types.ObjectId(id));
  const [first] = people;
  const [chat, conversation] = [new Types.ObjectId(), new Types.ObjectId()];
  const isUsable = (place: number): boolean => place < 4 || place > 7;
  /** Twelve documents; a whole page and more in the middle has ids of another type. */
  const store = async (model: { collection: object }, fields: (at: Date) => object): Promise<string[]> => {
    const documents = Array.from({ length: 12 }, (_, place) => ({
      _id: isUsable(place) ? new Types.ObjectId() : `${new Types.ObjectId()}-${place}`,
      ...fields(new Date(Date.UTC(2020, 0, 1, 0, place))),
    }));
    await (model.collection as typeof ChatMessage.collection).insertMany(documents as never[]);
    return documents.filter((_, place) => isUsable(place)).map(({ _id }) => String(_id));
  };
  const last = <T>(page: readonly T[]): T | undefined => page.at(-1);
  const query = (cursor: string | undefined): string => `limit=3${cursor === undefined ? '' : `&before=${cursor}`}`;

  const chats = await store(Chat, (at) => ({ participants: people, type: 'group', lastActivity: at }));
  expect(idsOf(await read(ann, '/api/chats?limit=100'))).toEqual([...chats].sort());
  expect((await walk((cursor) => read(ann, `/api/chats?${query(cursor)}`), last)).sort()).toEqual([...chats].sort());

  await Chat.collection.insertOne({
    _id: chat,
    participants: people,
    type: 'direct',
    lastActivity: new Date(0),
  } as never);
  const messages = await store(ChatMessage, (createdAt) => ({ chat, sender: first, content: 'text', createdAt }));
  const path = `/api/chats/${chat}/messages`;
  expect(
    (
      await walk(
        (cursor) => read(bob, `${path}?${query(cursor)}`),
        ([oldest]) => oldest,
      )
    ).sort(),
  ).toEqual(messages);
  const from = '2000-01-01T00:00:00Z';
  expect((await walk((cursor = from) => read(bob, `${path}?limit=3&after=${cursor}`), last)).sort()).toEqual(messages);

  const a = await openCommunity(environment, ann);
  const notifications = await store(Notification, (createdAt) => ({
    recipient: first,
    type: 'x',
    isRead: true,
    createdAt,
  }));
  const listed = await walk(async (before) => {
    const page = { limit: 3, ...(before !== undefined && { before }) };
    return dataOf(await a.ask('notification:list', page)).notifications;
  }, last);
  expect(listed.sort()).toEqual(notifications);

  const own = { participants: people, createdBy: first, status: 'open' };
  const conversations = await store(SupportConversation, (updatedAt) => ({ ...own, updatedAt }));
  const support = '/api/v1/conversations';
  const inSupport = (cursor: string | undefined) =>
    call(environment, ann, ['GET', `${support}?${query(cursor)}`]).then(({ json }) => json.data.conversations);
  expect((await walk(inSupport, last)).sort()).toEqual(conversations);

  await SupportConversation.collection.insertOne({ _id: conversation, ...own, updatedAt: new Date(0) } as never);
  const sent = { conversationId: conversation, senderId: ann.id, senderType: 'user', content: 'text' };
  const said = await store(SupportMessage, (timestamp) => ({ ...sent, timestamp }));
  const inConversation = (cursor: string | undefined) =>
    call(environment, bob, ['GET', `${support}/${conversation}/messages?${query(cursor)}`]).then(
      ({ json }) => json.data.messages,
    );
  expect((await walk(inConversation, ([oldest]) => oldest)).sort()).toEqual(said);
});

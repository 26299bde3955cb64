import { Types } from 'mongoose';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createTestEnvironment, dataOf, type TestEnvironment } from '../../../support/environment.js';
import { addChat, call, type Member, members, open, say } from '../community/community.js';
import { addConversation, openChat } from '../support/chat.js';
import { chatKinds } from './chats.js';

let environment: TestEnvironment;

beforeAll(async () => {
  environment = await createTestEnvironment();
});
afterAll(() => environment.close());

const insert = (collection: 'ChatMessage' | 'SupportMessage', documents: readonly object[]) =>
  environment.models[collection].collection.insertMany(documents as never[]);

describe('the unread number of a chat', () => {
  /** A chat with messages as the gateway stores them: positions, and all at one time. */
  async function chatOf(...runs: readonly (readonly ['own' | 'others' | 'deleted', number])[]) {
    const [ann, bob] = await members(environment, ['Ann', 'Bob']);
    const chatId = await addChat(environment, [ann, bob], { type: 'group' });
    const createdAt = new Date();
    const kinds = runs.flatMap(([what, count]) => Array.from({ length: count }, () => what));
    const messages = kinds.map((what, index) => ({
      _id: new Types.ObjectId(),
      chat: new Types.ObjectId(chatId),
      content: `${index}`,
      createdAt,
      sender: new Types.ObjectId(what === 'own' ? ann.id : bob.id),
      isDeleted: what === 'deleted',
      position: index + 1,
    }));
    if (messages.length > 0) await insert('ChatMessage', messages);
    await environment.models.Chat.updateOne({ _id: chatId }, { lastPosition: messages.length });
    return { ann, bob, chatId, ids: messages.map(({ _id }) => String(_id)) };
  }

  const unreadOf = async (who: Member, chatId: string): Promise<number> =>
    dataOf((await call(environment, who, ['GET', '/api/chats'])).json).find(
      (one: { _id: string }) => one._id === chatId,
    ).unreadCount;

  test('distinguishes messages of one millisecond', async () => {
    const { ann, chatId, ids } = await chatOf(['others', 3]);
    const a = await open(environment, ann);
    expect(await a.ask('chat:mark_read', { chatId, messageId: ids[0] })).toEqual({ success: true });
    expect(await unreadOf(ann, chatId)).toBe(2);
    await a.ask('chat:mark_read', { chatId, messageId: ids[1] });
    // Back is not read again.
    await a.ask('chat:mark_read', { chatId, messageId: ids[0] });
    expect(await unreadOf(ann, chatId)).toBe(1);
    await a.ask('chat:mark_read', { chatId });
    expect(await unreadOf(ann, chatId)).toBe(0);
  });

  test.each([
    {
      what: '150 unread, then 100 own',
      runs: [
        ['others', 150],
        ['own', 100],
      ],
      unread: 100,
    },
    {
      what: '20 unread, then 100 deleted',
      runs: [
        ['others', 20],
        ['deleted', 100],
      ],
      unread: 20,
    },
    {
      what: '20 unread between 300 own',
      runs: [
        ['own', 300],
        ['others', 20],
        ['own', 300],
      ],
      unread: 20,
    },
    {
      what: '7 unread behind 1500 own',
      runs: [
        ['own', 1500],
        ['others', 7],
      ],
      unread: 7,
    },
    {
      what: '7 unread, 2500 own, 5 unread',
      runs: [
        ['others', 7],
        ['own', 2500],
        ['others', 5],
      ],
      unread: 12,
    },
    {
      what: 'nothing but own and deleted',
      runs: [
        ['own', 150],
        ['deleted', 150],
      ],
      unread: 0,
    },
  ] as const)('counts $what', async ({ runs, unread }) => {
    const { ann, chatId } = await chatOf(...runs);
    expect(await unreadOf(ann, chatId)).toBe(unread);
  });

  test('counts messages that another service stores after the read position', async () => {
    const { ann, bob, chatId } = await chatOf();
    const a = await open(environment, ann);
    const b = await open(environment, bob);
    const { _id } = await say(b, chatId, 'by the gateway');
    await a.ask('chat:mark_read', { chatId, messageId: _id });
    const foreign = {
      _id: new Types.ObjectId(),
      chat: new Types.ObjectId(chatId),
      sender: new Types.ObjectId(bob.id),
      content: 'by another service',
      createdAt: new Date(Date.now() + 1000),
    };
    await insert('ChatMessage', [foreign]);
    await environment.models.Chat.updateOne({ _id: chatId }, { lastMessage: foreign._id });
    expect(await unreadOf(ann, chatId)).toBe(1);
    await say(b, chatId, 'by the gateway again');
    expect(await unreadOf(ann, chatId)).toBe(2);
    const { json } = await call(environment, ann, ['GET', `/api/chats/${chatId}/messages?after=${_id}`]);
    expect(json.data.map(({ content }: { content: string }) => content)).toEqual([
      'by another service',
      'by the gateway again',
    ]);
    await a.ask('chat:mark_read', { chatId, messageId: String(foreign._id) });
    expect(await unreadOf(ann, chatId)).toBe(1);
  });
});

/** What other services store where a date belongs. */
const TIMES: readonly unknown[] = [
  new Date(1_700_000_000_000),
  new Date(1_700_000_000_000),
  new Date(1_700_000_500_000),
  null,
  null,
  undefined,
  '2023-11-14T22:13:20.000Z',
  'yesterday',
  1_700_000_000_000,
  5,
  true,
  undefined,
  null,
];

/** Walks a list by its cursor, and gives the ids in the order in which they came. */
async function walk(read: (before: string | undefined) => Promise<{ _id: string }[]>): Promise<string[]> {
  const met: string[] = [];
  for (;;) {
    const page = await read(met.at(-1));
    met.push(...page.map(({ _id }) => _id));
    if (page.length === 0 || met.length > 100) return met;
  }
}

describe('pages', () => {
  const field = (name: string, value: unknown) => (value === undefined ? {} : { [name]: value });

  test('reach every chat once, whatever its last activity is', async () => {
    const [ann, bob] = await members(environment, ['Ann', 'Bob']);
    const participants = [ann, bob].map(({ id }) => new Types.ObjectId(id));
    const chats = TIMES.map((value) => ({
      _id: new Types.ObjectId(),
      participants,
      type: 'group',
      ...field('lastActivity', value instanceof Date || value == null ? value : undefined),
    }));
    await environment.models.Chat.collection.insertMany(chats as never[]);
    for (const limit of [1, 2, 5]) {
      const met = await walk(async (before) => {
        const query = `?limit=${limit}${before === undefined ? '' : `&before=${before}`}`;
        return dataOf((await call(environment, ann, ['GET', `/api/chats${query}`])).json);
      });
      expect(met.toSorted()).toEqual(chats.map(({ _id }) => String(_id)).toSorted());
    }
  });

  test('reach every conversation once, whatever its last change is', async () => {
    const [ann, bob] = await environment.people('Ann', 'Bob');
    const [annId, bobId] = [ann, bob].map(({ id }) => new Types.ObjectId(id));
    const conversations = TIMES.map((value, index) => ({
      _id: new Types.ObjectId(),
      participants: [index % 3 === 0 ? bobId : annId],
      assignedTo: index % 2 ? annId : null,
      ...field('updatedAt', value instanceof Date || value == null ? value : undefined),
    })).filter(({ participants, assignedTo }) => participants.includes(annId) || assignedTo === annId);
    await environment.models.SupportConversation.collection.insertMany(conversations as never[]);
    const a = await openChat(environment, ann);
    for (const limit of [1, 2, 5]) {
      const met = await walk(
        async (before) => dataOf(await a.ask('get_conversations', { before, limit })).conversations,
      );
      expect(met.toSorted()).toEqual(conversations.map(({ _id }) => String(_id)).toSorted());
    }
  });

  test('reach every notification once', async () => {
    const [ann] = await members(environment, ['Ann']);
    const notifications = TIMES.map((value) => ({
      _id: new Types.ObjectId(),
      recipient: new Types.ObjectId(ann.id),
      isRead: false,
      type: 'like',
      ...field('createdAt', value instanceof Date || value == null ? value : undefined),
    }));
    await environment.models.Notification.collection.insertMany(notifications as never[]);
    const a = await open(environment, ann);
    for (const limit of [1, 2, 5]) {
      const met = await walk(
        async (before) => dataOf(await a.ask('notification:list', { before, limit })).notifications,
      );
      expect(met.toSorted()).toEqual(notifications.map(({ _id }) => String(_id)).toSorted());
    }
  });

  test.each(chatKinds)('reach every message of the $name chat once, in either direction', async (kind) => {
    const [ann, bob] = await kind.people(environment, 2);
    if (ann === undefined || bob === undefined) throw new Error('people are missing');
    const id = await kind.make(environment, [ann, bob]);
    const isSupport = kind.name === 'support';
    const parent = new Types.ObjectId(id);
    const own = isSupport
      ? { conversationId: parent, senderId: ann.id, senderType: 'user' }
      : { chat: parent, sender: new Types.ObjectId(ann.id) };
    const dated = TIMES.map((value) => (value instanceof Date || value == null ? value : undefined));
    const messages = dated.map((value, index) => ({
      _id: new Types.ObjectId(),
      ...own,
      content: `${index}`,
      ...field(isSupport ? 'timestamp' : 'createdAt', value),
    }));
    await insert(isSupport ? 'SupportMessage' : 'ChatMessage', messages);
    const a = await kind.open(environment, ann, 0);
    const said: string[] = [];
    for (const content of ['x', 'y', 'z']) said.push(dataOf(await kind.say(a, id, { content }))._id);
    const all = [...messages.map(({ _id }) => String(_id)), ...said].toSorted();
    const read = async (query: Record<string, string>): Promise<{ _id: string }[]> => {
      if (isSupport) {
        const data = { conversationId: id, ...query, limit: Number(query['limit']) };
        return dataOf(await a.ask('get_messages', data)).messages;
      }
      return dataOf(
        (await call(environment, ann, ['GET', `/api/chats/${id}/messages?${new URLSearchParams(query)}`])).json,
      );
    };
    for (const limit of ['1', '2', '5']) {
      const backwards = await walk(async (before) =>
        (await read({ limit, ...(before === undefined ? {} : { before }) })).toReversed(),
      );
      expect(backwards.toSorted()).toEqual(all);
      expect(backwards.slice(0, 3)).toEqual(said.toReversed());
      const [oldest = ''] = backwards.slice(-1);
      const forwards = await walk(async (after = oldest) => read({ limit, after }));
      expect([oldest, ...forwards]).toEqual(backwards.toReversed());
    }
  });
});

describe('notifications of a message', () => {
  async function notified() {
    const [ann, bob, cid] = await members(environment, ['Ann', 'Bob', 'Cid']);
    const chatId = await addChat(environment, [ann, bob, cid]);
    const a = await open(environment, ann);
    const { _id: messageId } = await say(a, chatId, 'the secret');
    const texts = async () =>
      (await environment.models.Notification.find({ relatedMessage: messageId }).lean()).map(({ message }) => message);
    expect(await texts()).toEqual(['the secret', 'the secret']);
    return { ann, bob, cid, chatId, a, messageId, texts };
  }

  test('are removed with it, also for a user who was removed from the chat before', async () => {
    const { bob, chatId, a, messageId, texts } = await notified();
    await environment.models.Chat.updateOne({ _id: chatId }, { $pull: { participants: bob.id } });
    expect(await a.ask('chat:delete_message', { messageId })).toEqual({ success: true });
    expect(await texts()).toEqual([]);
    const b = await open(environment, bob);
    expect(dataOf(await b.ask('notification:list', {}))).toMatchObject({ notifications: [], unreadCount: 0 });
  });

  test('show its text after it was edited, for every recipient', async () => {
    const { a, messageId, texts } = await notified();
    await Promise.all(['one', 'two', 'three'].map((content) => a.ask('chat:edit_message', { messageId, content })));
    const { content } = (await environment.models.ChatMessage.findById(messageId).lean()) ?? {};
    expect(await texts()).toEqual([content, content]);
  });

  test('are removed when it is edited, for a user who was removed from the chat before', async () => {
    const { bob, cid, chatId, a, messageId } = await notified();
    await environment.models.Chat.updateOne({ _id: chatId }, { $pull: { participants: bob.id } });
    dataOf(await a.ask('chat:edit_message', { messageId, content: 'said without Bob' }));
    const listOf = async (who: Member) => {
      const { notifications, unreadCount } = dataOf(await (await open(environment, who)).ask('notification:list', {}));
      return [notifications.map(({ message }: { message: string }) => message), unreadCount];
    };
    expect(await listOf(bob)).toEqual([[], 0]);
    expect(await listOf(cid)).toEqual([['said without Bob'], 1]);
  });

  test('can be paged through while one of them is removed', async () => {
    const { cid, chatId, a } = await notified();
    const said: string[] = [];
    for (const content of ['1', '2', '3']) said.push((await say(a, chatId, content))._id);
    const c = await open(environment, cid);
    const page = async (before?: string) =>
      dataOf(await c.ask('notification:list', { limit: 2, before })).notifications as {
        _id: string;
        message: string;
      }[];
    const [third, second] = await page();
    expect([third?.message, second?.message]).toEqual(['3', '2']);
    dataOf({ data: null, ...(await a.ask('chat:delete_message', { messageId: said[1] })) });
    const met: string[] = [];
    for (let last = second; last !== undefined; ) {
      const found = await page(last._id);
      met.push(...found.map(({ message }) => message));
      last = found.at(-1);
    }
    expect(new Set(met)).toEqual(new Set(['3', '1', 'the secret']));
  });

  test('of another service keep their own words when it is edited', async () => {
    const { bob, a, messageId, texts } = await notified();
    const like = { recipient: bob.id, type: 'like', message: 'Ann likes it', relatedMessage: messageId };
    await environment.models.Notification.create(like);
    await a.ask('chat:edit_message', { messageId, content: 'changed' });
    expect((await texts()).toSorted()).toEqual(['Ann likes it', 'changed', 'changed']);
  });

  test('are marked read with it, for a user who reads it before they are stored, and after', async () => {
    const { cid, chatId, messageId } = await notified();
    const c = await open(environment, cid);
    await c.ask('chat:mark_read', { chatId, messageId });
    expect(dataOf(await c.ask('notification:get_unread_count', {}))).toEqual({ count: 0 });
    // As when it was made after its message had been read.
    await environment.models.Notification.updateMany({ recipient: cid.id }, { isRead: false });
    await c.ask('chat:mark_read', { chatId });
    expect(dataOf(await c.ask('notification:get_unread_count', {}))).toEqual({ count: 0 });
  });
});

test('a conversation shows a message of another service as the last until the next is sent', async () => {
  const [ann, bob] = await environment.people('Ann', 'Bob');
  const conversationId = await addConversation(environment, [ann, bob]);
  const a = await openChat(environment, ann);
  dataOf(await a.ask('send_message', { conversationId, content: 'first' }));
  const foreign = {
    _id: new Types.ObjectId(),
    conversationId: new Types.ObjectId(conversationId),
    senderId: bob.id,
    content: 'foreign',
    timestamp: new Date(),
  };
  await insert('SupportMessage', [foreign]);
  await environment.models.SupportConversation.updateOne({ _id: conversationId }, { lastMessage: foreign._id });
  const last = async () =>
    dataOf(await a.ask('get_conversations', {})).conversations.find(
      ({ _id }: { _id: string }) => _id === conversationId,
    ).lastMessage.content;
  expect(await last()).toBe('foreign');
  dataOf(await a.ask('send_message', { conversationId, content: 'next' }));
  expect(await last()).toBe('next');
});

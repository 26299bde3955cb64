import { Types } from 'mongoose';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { TestClient } from '../support/client.js';
import { createTestEnvironment, type TestEnvironment, type TestUser } from '../support/environment.js';
import { call } from './chat/community/community.js';

/*
 * Other services store ids as ObjectId or as text. The same calls on the same documents, with the ids in one form or the
 * other, must have the same results. `_id` is always an ObjectId.
 */

let environment: TestEnvironment;

beforeAll(async () => {
  environment = await createTestEnvironment();
});
afterAll(() => environment.close());

type Form = (id: Types.ObjectId) => unknown;
const forms: Record<string, Form> = { objectId: (id) => id, text: (id) => id.toHexString() };

/** Recent, so that messages can be edited. */
const BASE_MS = Date.now() - 120_000;
const at = (number: number): Date => new Date(BASE_MS + number * 1000);

/** Names of ids, so that the results of two worlds can be compared. */
class Names {
  readonly #ids = new Map<string, string>();
  id(name: string): Types.ObjectId {
    const id = new Types.ObjectId();
    this.#ids.set(id.toHexString(), name);
    return id;
  }
  add(user: TestUser): Types.ObjectId {
    this.#ids.set(user.id, user.name);
    return new Types.ObjectId(user.id);
  }
  /** Other ids and times depend on the run. */
  apply(value: unknown): unknown {
    const text = JSON.stringify(value)
      .replaceAll(/\b[0-9a-f]{24}\b/g, (id) => this.#ids.get(id) ?? 'an id')
      .replaceAll(/\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b/g, 'a UUID')
      .replaceAll(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, (time) => (Date.parse(time) < BASE_MS + 60_000 ? time : 'now'));
    return JSON.parse(text);
  }
}

/** People, and documents about them that another service has stored. */
async function createWorld(form: Form) {
  const names = new Names();
  const people = await environment.people('Ann', 'Bob', 'Eve');
  const [ann, bob, eve] = people.map((user) => names.add(user)) as [Types.ObjectId, Types.ObjectId, Types.ObjectId];
  const account = new Types.ObjectId(people[0].accountId);
  const store = (model: keyof TestEnvironment['models'], ...documents: object[]) =>
    environment.models[model].collection.insertMany(documents as never);
  const ids = (count: number, name: string) =>
    Array.from({ length: count }, (_, index) => names.id(`${name} ${index}`));
  const messageIds = ids(5, 'message');
  const times = (index: number) => ({ createdAt: at(index), updatedAt: at(index) });

  const [talk, prospect] = [names.id('talk'), names.id('prospect')];
  const shared = {
    account: form(account),
    users: [form(ann), form(bob)],
    channel_id: 'x',
    created_by: form(ann),
    is_open: true,
    title: 'Talk',
    image: [],
    last_activity_at: at(4),
    ...times(0),
  };
  await store('Conversation', { ...shared, _id: talk, last_activity: form(messageIds[4] as Types.ObjectId) });
  const contact = names.id('contact');
  await store('Contact', { _id: contact, account: form(account), name: 'Carla' });
  await store('ConversationProspect', { ...shared, _id: prospect, contact_id: form(contact), last_activity: null });
  for (const [conversation, kind] of [
    [talk, 'team'],
    [prospect, 'prospect'],
  ] as const) {
    await store(
      'Member',
      ...[ann, bob].map((user) => ({
        _id: names.id('member'),
        conversation,
        kind,
        user,
        account,
        channel_id: 'x',
        unread_count: 3,
        show_on_top: false,
        snoozed_until: null,
        archived: false,
        mentioned: false,
        is_open: true,
        last_read: null,
        last_read_at: null,
        last_activity_at: at(4),
        search_key: 'talk',
      })),
    );
  }
  const said = (index: number) => ({
    data: `said ${index}`,
    sent_by: form(bob),
    mentions: [form(ann)],
    attachments: [],
  });
  await store(
    'Message',
    ...messageIds.map((_id, index) => ({
      _id,
      conversation_id: form(talk),
      type: 'text',
      createdAt: at(index),
      ...said(index),
    })),
  );
  const notes = ids(5, 'note');
  await store(
    'Communication',
    ...notes.map((_id, index) => ({
      _id,
      conversation_id: [form(prospect)],
      type: 'NOTE',
      account: form(account),
      createdAt: at(index),
      ...said(index),
    })),
  );

  // They are listed for all.
  await environment.models.Department.deleteMany({});
  const [department, help] = [names.id('department'), names.id('help')];
  await store('Department', { _id: department, name: 'Sales', members: [form(eve)], ...times(0) });
  const supportIds = ids(5, 'support message');
  await store('SupportConversation', {
    _id: help,
    participants: [form(ann), form(bob)],
    assignedTo: form(eve),
    departmentId: form(department),
    visitorId: null,
    subject: 'Help',
    status: 'open',
    priority: 'normal',
    createdBy: form(ann),
    lastMessage: form(supportIds[4] as Types.ObjectId),
    lastMessageAt: at(4),
    ...times(4),
  });
  await store(
    'SupportMessage',
    ...supportIds.map((_id, index) => ({
      _id,
      conversationId: form(help),
      senderId: ann.toHexString(),
      senderType: 'user',
      senderName: 'Ann',
      content: `said ${index}`,
      type: 'text',
      file: null,
      metadata: null,
      timestamp: at(index),
      editedAt: null,
      isDeleted: false,
    })),
  );

  const [group, direct] = [names.id('group'), names.id('direct')];
  const chatIds = ids(5, 'chat message');
  const [first, second] = chatIds as [Types.ObjectId, Types.ObjectId];
  const settings = [{ user: form(bob), isMuted: false, lastReadMessage: form(first), readUpTo: at(0) }];
  await store(
    'Chat',
    {
      _id: group,
      participants: [ann, bob, eve].map(form),
      type: 'group',
      groupName: 'All',
      lastActivity: at(4),
      lastMessage: form(chatIds[4] as Types.ObjectId),
      pinnedMessages: [form(first)],
      participantSettings: settings,
    },
    {
      _id: direct,
      participants: [ann, bob].map(form),
      type: 'direct',
      lastActivity: at(3),
      lastMessage: null,
      pinnedMessages: [],
      participantSettings: [],
    },
  );
  await store(
    'ChatMessage',
    ...chatIds.map((_id, index) => ({
      _id,
      chat: form(group),
      sender: form(ann),
      content: `said ${index}`,
      messageType: 'text',
      readBy: [{ user: form(eve), readAt: at(9) }],
      reactions: [{ user: form(bob), emoji: '👍' }],
      replyTo: index === 0 ? null : form(first),
      isEdited: false,
      isDeleted: false,
      createdAt: at(index),
    })),
  );
  const notificationIds = ids(3, 'notification');
  await store(
    'Notification',
    ...notificationIds.map((_id, index) => ({
      _id,
      recipient: form(bob),
      sender: form(ann),
      type: 'message',
      title: 'Ann',
      message: `said ${index}`,
      relatedChat: form(group),
      relatedMessage: form(chatIds[index] as Types.ObjectId),
      isRead: false,
      readAt: null,
      createdAt: at(index),
    })),
  );
  const { models } = environment;
  return {
    names,
    people,
    talk,
    prospect,
    department,
    help,
    group,
    first,
    second,
    models,
    message: messageIds[2],
    note: notes[2],
    said: supportIds[1],
    notification: notificationIds[2],
  };
}

type World = Awaited<ReturnType<typeof createWorld>>;

/** A call: who makes it, an event with its data, or a method and a path. */
type Call = readonly ['Ann' | 'Bob' | 'Eve', string, unknown];

const conversations = ({ talk, prospect, message, note }: World): Call[] => [
  ['Ann', 'list_conversation', { message_limit: 2 }],
  ['Ann', 'list_conversation', { search: 'bob' }],
  ['Ann', 'conversation_filter', { users: ['Bob'] }],
  ['Ann', 'get_conversation_by_id', { conversation_id: talk }],
  ['Ann', 'list_message', { conversation_id: talk, limit: 2 }],
  ['Ann', 'list_message', { conversation_id: talk, limit: 2, page: 2 }],
  ['Ann', 'list_message', { conversation_id: talk, before: message }],
  ['Ann', 'list_message_by_id', { conversation_id: talk, message_id: message, limit: 5 }],
  ['Ann', 'read', { conversation_id: talk, message_id: message }],
  ['Bob', 'read', { conversation_id: talk }],
  ['Ann', 'message', { conversation_id: talk, data: 'new', mentions: ['Bob'] }],
  ['Ann', 'list_message', { conversation_id: talk, limit: 3 }],
  ['Ann', 'prospect_list_conversation', { message_limit: 2 }],
  ['Ann', 'prospect_list_message', { conversation_id: prospect, before: note, limit: 2 }],
  ['Ann', 'prospect_list_message_by_id', { conversation_id: prospect, message_id: note }],
  ['Ann', 'prospect_read', { conversation_id: prospect, message_id: note }],
  ['Ann', 'prospect_add_note', { conversation_id: prospect, data: 'new' }],
  ['Ann', 'prospect_list_message', { conversation_id: prospect }],
  ['Ann', 'add_participant', { conversation_id: talk, users: ['Eve'] }],
  ['Eve', 'list_conversation', {}],
];

const support = ({ help, department, said }: World): Call[] => [
  ['Ann', 'get_conversations', {}],
  ['Eve', 'get_conversations', {}],
  ['Eve', 'get_conversations', { departmentId: department }],
  ['Eve', 'get_conversations', { status: 'open', before: help }],
  ['Eve', 'GET /api/v1/departments', undefined],
  ['Ann', 'get_messages', { conversationId: help, limit: 2 }],
  ['Ann', 'get_messages', { conversationId: help, before: said }],
  ['Eve', 'get_messages', { conversationId: help, after: said }],
  ['Ann', 'join_conversation', { conversationId: help }],
  ['Bob', 'mark_as_read', { conversationId: help, messageId: said }],
  ['Ann', 'edit_message', { conversationId: help, messageId: said, content: 'edited' }],
  ['Ann', 'send_message', { conversationId: help, content: 'new', clientMessageId: 'one' }],
  ['Ann', 'send_message', { conversationId: help, content: 'new', clientMessageId: 'one' }],
  ['Ann', 'delete_message', { conversationId: help, messageId: said }],
  ['Bob', 'get_messages', { conversationId: help }],
  ['Ann', 'create_conversation', { participants: [], departmentId: department, subject: 'More' }],
  ['Ann', 'get_conversations', {}],
  ['Eve', 'assign_conversation', { conversationId: help, agentId: 'Eve' }],
];

const community = ({ group, first, second, notification }: World): Call[] => [
  ['Ann', 'GET /api/chats', undefined],
  ['Bob', 'GET /api/chats?limit=1', undefined],
  ['Bob', `GET /api/chats?before=${group}`, undefined],
  ['Ann', `GET /api/chats/${group}/messages?limit=2`, undefined],
  ['Ann', `GET /api/chats/${group}/messages?before=${second}`, undefined],
  ['Ann', `GET /api/chats/${group}/messages?after=${second}`, undefined],
  ['Ann', 'POST /api/chats/direct', { participantId: 'Bob' }],
  ['Bob', 'notification:list', { limit: 2 }],
  ['Bob', 'notification:list', { before: notification, unreadOnly: true }],
  ['Bob', 'notification:get_unread_count', {}],
  ['Bob', 'notification:mark_read', { notificationId: notification }],
  ['Bob', 'notification:list', { unreadOnly: true }],
  ['Ann', 'presence:get_online', { userIds: ['Bob', 'Eve'] }],
  ['Ann', 'chat:join', { chatId: group }],
  ['Bob', 'chat:mark_read', { chatId: group, messageId: second }],
  ['Bob', 'GET /api/chats', undefined],
  ['Bob', 'chat:mark_read', { chatId: group }],
  ['Bob', 'GET /api/chats', undefined],
  ['Bob', 'notification:get_unread_count', {}],
  ['Bob', 'chat:add_reaction', { messageId: first, emoji: '👍' }],
  ['Eve', 'chat:add_reaction', { messageId: first, emoji: '👍' }],
  ['Ann', 'chat:edit_message', { messageId: first, content: 'edited' }],
  ['Ann', 'chat:pin_message', { chatId: group, messageId: second }],
  ['Ann', 'chat:pin_message', { chatId: group, messageId: first }],
  ['Ann', 'chat:unpin_message', { chatId: group, messageId: first }],
  ['Ann', 'chat:send_message', { chatId: group, content: 'new', replyToId: first, clientMessageId: 'one' }],
  ['Ann', 'chat:send_message', { chatId: group, content: 'new', replyToId: first, clientMessageId: 'one' }],
  ['Ann', 'chat:delete_message', { messageId: second }],
  ['Bob', 'GET /api/chats', undefined],
  ['Eve', `GET /api/chats/${group}/messages`, undefined],
  ['Bob', 'notification:mark_all_read', {}],
  ['Bob', 'notification:list', {}],
];

/** Makes calls one after another. @returns each with its result */
async function transcribe(world: World, calls: readonly Call[], namespace: string): Promise<unknown[]> {
  const { names, people } = world;
  const clients = new Map<string, TestClient>();
  for (const user of people) clients.set(user.name, await environment.open(user, { namespace }));
  const result: unknown[] = [];
  for (const [who, what, data] of calls) {
    const user = people.find(({ name }) => name === who) as TestUser;
    const input = JSON.parse(
      (JSON.stringify(data) ?? 'null').replaceAll(/"(Ann|Bob|Eve)"/g, (_, name) => {
        return JSON.stringify(people.find((one) => one.name === name)?.id);
      }),
    );
    const [method, path] = what.split(' ');
    const answer =
      path === undefined
        ? await clients.get(who)?.ask(what, input)
        : (await call(environment, user, [method as string, path, input ?? undefined])).json;
    result.push(names.apply([who, what, data ?? null, answer]));
  }
  for (const client of clients.values()) client.close();
  return result;
}

test.each([
  ['conversations', conversations, '/v1/conversation'],
  ['support', support, '/'],
  ['community', community, '/'],
] as const)('%s: documents with ids as text behave as those with ObjectIds', async (_name, callsOf, namespace) => {
  const results: unknown[][] = [];
  for (const form of ['objectId', 'text']) {
    const world = await createWorld(forms[form] as Form);
    results.push(await transcribe(world, callsOf(world), namespace));
  }
  const [expected, found] = results;
  const failures = (expected ?? []).filter((entry) => !JSON.stringify(entry).includes('"success":true'));
  expect(failures).toEqual([]);
  expect(found).toEqual(expected);
});

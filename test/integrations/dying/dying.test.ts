import { Types } from 'mongoose';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { TestClient } from '../../support/client.js';
import { createTestEnvironment, dataOf, type TestEnvironment, type TestUser } from '../../support/environment.js';
import type { Document } from '../../support/mongo-proxy.js';
import { addChat } from '../chat/community/community.js';
import { addConversation, addDepartment } from '../chat/support/chat.js';
import { storedMember } from '../conversation/stored.js';
import { isCommand, startDyingNode } from './dying-node.js';

let environment: TestEnvironment;

beforeAll(async () => {
  environment = await createTestEnvironment({ nodes: 2, env: { MESSAGE_LIMIT: '100000' } });
});
afterAll(() => environment.close());

/** A change that is stored and not sent, and what others must hear of it. */
interface Lost {
  readonly by: TestClient;
  readonly call: readonly [event: string, data: object];
  readonly stores: (command: Document) => boolean;
  readonly to: TestClient;
  readonly event: string;
  readonly payload: object;
}

const commits = isCommand('commitTransaction');
const CHATS = '"community.chats"';
const MESSAGES = '"community.messages"';
const SUPPORT = '"support.messages"';
const CONVERSATIONS = '"support.conversations"';

/** People of one account, and a client of each on the surviving nodes. */
async function meet() {
  const people = await environment.people('Ann', 'Bob', 'Cid', 'Dan', 'Eve', 'Fay', 'Gus');
  const [ann, bob, cid] = people;
  await environment.models.User.updateMany({ _id: { $in: [ann.id, cid.id] } }, { role: 'agent' });
  const [chat, team] = await Promise.all([
    environment.open(bob, { namespace: '/' }),
    environment.open(bob, { node: 1 }),
  ]);
  return { people, chat, team };
}

/** As another service stores it: no node sends it, and looks at it later. */
async function addTeamConversation(users: readonly [TestUser, ...TestUser[]]): Promise<string> {
  const { models } = environment;
  const account = new Types.ObjectId(users[0].accountId);
  const ids = users.map(({ id }) => new Types.ObjectId(id));
  const own = { account, channel_id: 'general', is_open: true, last_activity_at: new Date() };
  const { _id } = await models.Conversation.create({ ...own, users: ids, title: '', created_by: users[0].id });
  await models.Member.insertMany(ids.map((user) => storedMember({ _id, ...own }, user)));
  return String(_id);
}

test('what a killed node has stored and not sent reaches all other users who may hear of it, and no others', async () => {
  const { people, chat, team } = await meet();
  const [ann, bob, cid, dan, eve, fay, gus] = people;
  const dying = await startDyingNode(environment);
  const own = await environment.open(ann, { node: 1 });
  const onSecond = await environment.open(cid, { node: 1 });
  const [annChat, cidChat] = await Promise.all([ann, cid].map((user) => dying.open(user, { namespace: '/' })));
  const [annTeam, cidTeam, danTeam, fayTeam, gusTeam] = await Promise.all(
    [ann, cid, dan, fay, gus].map((user) => dying.open(user)),
  );
  if (!annChat || !cidChat || !annTeam || !cidTeam || !danTeam || !fayTeam || !gusTeam) throw new Error('no client');
  const lost: Lost[] = [];

  // Community: Eve has blocked Ann, and Dan is removed before the node is dead.
  const chatId = await addChat(environment, people);
  const quiet = await addChat(environment, people);
  const say = async (content: string): Promise<string> =>
    dataOf(await annChat.ask('chat:send_message', { chatId, content }))._id;
  const [edited, deleted, reacted, pinned, unpinned] = [
    await say('to edit'),
    await say('to delete'),
    await say('to react to'),
    await say('to pin'),
    await say('to unpin'),
  ];
  const last = dataOf(await chat.ask('chat:send_message', { chatId, content: 'to read' }))._id;
  await environment.models.Chat.updateOne({ _id: chatId }, { pinnedMessages: [unpinned] });
  const inChat = (event: string, data: object, stores: Lost['stores'], heard: string, payload: object): void =>
    void lost.push({ by: annChat, call: [event, data], stores, to: chat, event: heard, payload });
  const updates = (...texts: string[]) => isCommand('update', ...texts);
  const modifies = (...texts: string[]) => isCommand('findAndModify', ...texts);
  inChat(
    'chat:edit_message',
    { messageId: edited, content: 'edited' },
    modifies(MESSAGES, '"isEdited":true'),
    'chat:message_edited',
    {
      messageId: edited,
      content: 'edited',
    },
  );
  inChat('chat:delete_message', { messageId: deleted }, updates(MESSAGES, '"isDeleted":true'), 'chat:message_deleted', {
    messageId: deleted,
    deletedBy: ann.id,
  });
  inChat(
    'chat:add_reaction',
    { messageId: reacted, emoji: '👍' },
    modifies(MESSAGES, '"reactions"'),
    'chat:message_reaction',
    {
      messageId: reacted,
      userId: ann.id,
      emoji: '👍',
      action: 'added',
      reactions: [{ user: ann.id, emoji: '👍' }],
    },
  );
  inChat(
    'chat:pin_message',
    { messageId: pinned },
    updates(CHATS, '"$push"', 'pinnedMessages'),
    'chat:message_pinned',
    {
      messageId: pinned,
      pinnedBy: ann.id,
    },
  );
  inChat('chat:unpin_message', { messageId: unpinned }, updates(CHATS, '"$pull"'), 'chat:message_unpinned', {
    messageId: unpinned,
    unpinnedBy: ann.id,
  });
  inChat('chat:mark_read', { chatId }, updates(CHATS, '[own].readUpTo'), 'chat:message_read', {
    messageId: last,
    userId: ann.id,
  });
  // Its messages are marked as read, and nothing says yet how far she has read.
  const marked = await addChat(environment, people);
  const toMark = dataOf(await chat.ask('chat:send_message', { chatId: marked, content: 'to mark' }))._id;
  inChat('chat:mark_read', { chatId: marked }, updates(MESSAGES, '"readBy"'), 'chat:message_read', {
    chatId: marked,
    messageId: toMark,
    userId: ann.id,
  });
  const storesMessage = (content: string) => (command: Document) =>
    ['insert', 'bulkWrite', 'aggregate'].some((name) => isCommand(name, `"${content}"`)(command));
  inChat('chat:send_message', { chatId: quiet, content: 'said' }, storesMessage('said'), 'chat:new_message', {
    chatId: quiet,
    message: { content: 'said' },
  });
  inChat(
    'presence:update_status',
    { status: 'busy' },
    updates('"_users"', 'presenceStatus'),
    'presence:status_changed',
    {
      userId: ann.id,
      status: 'busy',
    },
  );

  // Support
  const departmentId = await addDepartment(environment, ann, cid);
  const talk = (): Promise<string> => addConversation(environment, [ann, bob, dan, eve], { departmentId });
  const [conversationId, silent, assigned, closed] = [await talk(), await talk(), await talk(), await talk()];
  const write = async (content: string): Promise<string> =>
    dataOf(await annChat.ask('send_message', { conversationId, content }))._id;
  const [changed, removed] = [await write('to change'), await write('to remove')];
  const question = dataOf(await chat.ask('send_message', { conversationId, content: 'question' }))._id;
  const inSupport = (event: string, data: object, stores: Lost['stores'], heard: string, payload: object): void =>
    inChat(event, { conversationId, ...data }, stores, heard, payload);
  inSupport(
    'edit_message',
    { messageId: changed, content: 'changed' },
    modifies(SUPPORT, '"changed"'),
    'message_edited',
    {
      _id: changed,
      content: 'changed',
    },
  );
  inSupport('delete_message', { messageId: removed }, modifies(SUPPORT, '"isDeleted":true'), 'message_deleted', {
    messageId: removed,
    deletedBy: ann.id,
  });
  inSupport('mark_as_read', { messageId: question }, updates('"support.reads"'), 'message_read', {
    messageId: question,
    readBy: ann.id,
  });
  inSupport('send_message', { conversationId: silent, content: 'answer' }, storesMessage('answer'), 'new_message', {
    conversationId: silent,
    content: 'answer',
  });
  inSupport(
    'assign_conversation',
    { conversationId: assigned, agentId: cid.id },
    modifies(CONVERSATIONS),
    'conversation_assigned',
    {
      conversationId: assigned,
      assignedTo: cid.id,
      assignedBy: ann.id,
    },
  );
  inSupport('close_conversation', { conversationId: closed }, modifies(CONVERSATIONS), 'conversation_closed', {
    conversationId: closed,
    closedBy: ann.id,
  });
  inChat(
    'create_conversation',
    { participants: [bob.id], subject: 'new' },
    isCommand('insert', CONVERSATIONS),
    'new_conversation',
    {
      subject: 'new',
    },
  );

  // Team: each by another person, because changes of one person wait for each other.
  const inTeam = async (by: TestClient, event: string, data: object, heard: string, payload: object, to = team) => {
    const conversation_id = await addTeamConversation([ann, bob, cid, dan, eve, fay, gus]);
    lost.push({ by, call: [event, { conversation_id, ...data }], stores: commits, to, event: heard, payload });
    return conversation_id;
  };
  const updated = (conversation: object) => ({ data: { conversation } });
  await inTeam(annTeam, 'message', { data: 'hello' }, 'message', { data: 'hello', sent_by: { _id: ann.id } });
  await inTeam(cidTeam, 'edit_conversation', { title: 'Titled' }, 'update_conversation', updated({ title: 'Titled' }));
  const read = await addTeamConversation(people);
  const { _id: toRead } = await environment.models.Message.create({
    conversation_id: read,
    data: 'to read',
    sent_by: bob.id,
  });
  await environment.models.Conversation.updateOne({ _id: read }, { last_activity: toRead });
  lost.push({
    by: danTeam,
    call: ['read', { conversation_id: read }],
    stores: commits,
    to: team,
    event: 'read',
    payload: { conversation_id: read, userID: dan.id, message_id: String(toRead) },
  });
  const joined = await addTeamConversation([dan, fay]);
  lost.push({
    by: fayTeam,
    call: ['add_participant', { conversation_id: joined, users: [bob.id] }],
    stores: commits,
    to: team,
    event: 'add_conversation',
    payload: { _id: joined },
  });
  const archived = await inTeam(
    annTeam,
    'archive',
    { archive: true },
    'update_conversation',
    updated({ archived: true }),
    own,
  );
  lost.push({
    by: gusTeam,
    call: ['add_conversation', { users: [cid.id], channel_id: 'general', title: 'Made' }],
    stores: commits,
    to: onSecond,
    event: 'add_conversation',
    payload: { title: 'Made' },
  });
  lost.push({
    by: gusTeam,
    call: ['active_status', { status: 'active' }],
    stores: updates('"_users"', 'conversation_active_status'),
    to: team,
    event: 'active_status',
    payload: { userID: gus.id, conversation_active_status: 'active' },
  });
  expect(archived).toBeDefined();

  await environment.models.User.updateOne({ _id: eve.id }, { blockedUsers: [ann.id] });
  const blocked = await Promise.all([environment.open(eve, { namespace: '/' }), environment.open(eve)]);
  for (const { by, call, stores } of lost) await dying.storeOnly(by, call, stores);
  const left = await environment.open(dan, { namespace: '/' });
  expect(await left.ask('chat:mark_read', { chatId })).toMatchObject({ success: true });
  const readsOfDan = () => chat.received('chat:message_read').filter(([{ userId }]) => userId === dan.id);
  await expect.poll(readsOfDan).toHaveLength(1);
  await environment.models.Chat.updateOne({ _id: chatId }, { $pull: { participants: dan.id } });
  const notHeard = (): string[] =>
    lost.filter(({ to, event, payload }) => !hasHeard(to, event, payload)).map(({ call: [event] }) => event);
  expect(notHeard()).toEqual(lost.map(({ call: [event] }) => event));
  await dying.kill();
  await expect.poll(notHeard).toEqual([]);
  // Each was sent before the last of them.
  const named = (client: TestClient, events: readonly string[]) => events.flatMap((event) => client.received(event));
  const ofChats = lost.filter(({ to }) => to === chat).map(({ event }) => event);
  expect(named(blocked[0] as TestClient, ofChats).filter((args) => JSON.stringify(args).includes(ann.id))).toEqual([]);
  expect(blocked[1]?.received('message')).toEqual([]);
  const about = (args: unknown[]): boolean => JSON.stringify(args).includes(chatId);
  expect(named(left, ofChats).filter(about)).toEqual([]);
  // How far he has read is shown no more.
  expect(readsOfDan()).toHaveLength(1);
  const readUpTo = { user: ann.id, lastReadMessage: toMark };
  expect(
    await environment.models.Chat.countDocuments({ _id: marked, participantSettings: { $elemMatch: readUpTo } }),
  ).toBe(1);
  // No user is told twice of a new message.
  expect(chat.received('chat:new_message').filter(([{ message }]) => message.content === 'said')).toHaveLength(1);
  expect(team.received('message').filter(([{ data }]) => data === 'hello')).toHaveLength(1);
});

/** A conversation that was stored just before can come as a new one, with what was changed since. */
const eventsLike = (client: TestClient, event: string): unknown[] => [
  ...client.received(event).map(([payload]) => payload),
  ...(event === 'update_conversation'
    ? client.received('add_conversation').map(([conversation]) => ({ data: { conversation } }))
    : []),
];

const hasHeard = (client: TestClient, event: string, payload: object): boolean =>
  eventsLike(client, event).some((heard) => {
    try {
      expect(heard).toMatchObject(payload);
      return true;
    } catch {
      return false;
    }
  });

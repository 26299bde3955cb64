import { Types } from 'mongoose';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createTestEnvironment, dataOf, type TestEnvironment } from '../../../support/environment.js';
import { until } from '../../../support/until.js';

let environment: TestEnvironment;

beforeAll(async () => {
  environment = await createTestEnvironment();
});
afterAll(() => environment.close());

/** Two people of one account with a conversation about a contact. */
async function talk() {
  const [ann, bob] = await environment.people('Ann', 'Bob');
  const contact = await environment.models.Contact.create({
    account: new Types.ObjectId(ann.accountId),
    name: 'Carla Contact',
    email: 'carla@example.com',
    phone: '+1 555 0100',
    image: 'https://example.com/carla.png',
  });
  const a = await environment.open(ann);
  const b = await environment.open(bob, { namespace: '/v1/conversation/live' });
  const contactId = String(contact._id);
  const answer = await a.ask('prospect_add_conversation', {
    contact_id: contactId,
    channel_id: 'sms',
    users: [bob.id],
  });
  expect(answer).toEqual({ success: true, message: 'SUCCESS' });
  const [conversation] = await a.next('prospect_add_conversation');
  return { ann, bob, contactId, a, b, conversation, id: conversation._id as string };
}

/** Stores something that was said, as another service does. */
const say = async (type: 'INCOMING' | 'OUTGOING', ids: string[], sentBy: string, account: string) =>
  String(
    (
      await environment.models.Communication.create({
        account,
        conversation_id: ids,
        type,
        data: `${type} text`,
        sent_by: sentBy,
        createdAt: new Date(),
      })
    )._id,
  );

test('a prospect conversation is sent to all participants and shows the contact', async () => {
  const { ann, bob, contactId, b, conversation } = await talk();
  expect(conversation).toMatchObject({
    title: 'Carla Contact',
    image: ['https://example.com/carla.png'],
    contact_id: { _id: contactId, name: 'Carla Contact', email: 'carla@example.com', phone: '+1 555 0100' },
    channel_id: 'sms',
    last_activity: null,
    unread_count: 0,
    is_open: true,
  });
  expect(conversation.users.map(({ _id }: { _id: string }) => _id)).toEqual([ann.id, bob.id]);
  expect((await b.next('prospect_add_conversation'))[0]._id).toBe(conversation._id);
});

test('a contact of another account is not found', async () => {
  const { a } = await talk();
  const other = await environment.models.Contact.create({ account: new Types.ObjectId(), name: 'Other' });
  for (const contact_id of [String(other._id), String(new Types.ObjectId())]) {
    expect(await a.ask('prospect_add_conversation', { contact_id, channel_id: 'sms' })).toMatchObject({
      message: 'NOT_FOUND',
    });
  }
});

test('a note is stored and sent to the team', async () => {
  const { ann, a, b, id } = await talk();
  const { message } = dataOf(await a.ask('prospect_add_note', { conversation_id: id, data: 'Call back' }));
  expect(message).toMatchObject({
    type: 'NOTE',
    data: 'Call back',
    sent_by: { _id: ann.id, name: 'Ann' },
    is_sender: true,
  });
  expect((await b.next('prospect_message'))[0]).toEqual({ ...message, is_sender: false });
  expect(await environment.models.Communication.findById(message._id).lean()).toMatchObject({
    type: 'NOTE',
    data: 'Call back',
  });
  const list = dataOf(await b.ask('prospect_list_message', { conversation_id: id }));
  expect(list.messageList).toEqual([{ ...message, is_sender: false }]);
  expect(list.conversation).toMatchObject({ unread_count: 1, last_activity: { _id: message._id } });
  expect(dataOf(await b.ask('channel', { channel_id: 'prospect' }))).toMatchObject({
    counters: { open: 1, unread: 1 },
    conversation: [{ _id: id }],
  });
});

test('a stored communication is sent to every participant of its conversations, each with their own state', async () => {
  const one = await talk();
  const { ann, contactId, a, b } = one;
  await a.ask('prospect_add_conversation', { contact_id: contactId, channel_id: 'mail', title: 'Mine' });
  const [second] = await a.next('prospect_add_conversation');

  const incoming = await say('INCOMING', [one.id, second._id], contactId, ann.accountId);
  const answer = await environment.nodes[0]?.call('GET', `/conversations/prospect/emit/message/${incoming}`);
  expect([answer?.status, answer?.json]).toEqual([200, { success: true, message: 'SUCCESS' }]);
  const got = [(await a.next('prospect_message'))[0], (await a.next('prospect_message'))[0]];
  expect(got.map(({ conversation_id }) => conversation_id).sort()).toEqual([one.id, second._id].sort());
  expect(got[0]).toMatchObject({
    _id: incoming,
    type: 'INCOMING',
    data: 'INCOMING text',
    sent_by: { _id: contactId, name: 'Carla Contact', email: 'carla@example.com' },
    is_sender: false,
  });
  expect((await b.next('prospect_message'))[0].conversation_id).toBe(one.id);

  const outgoing = await say('OUTGOING', [one.id], ann.id, ann.accountId);
  await environment.nodes[0]?.call('GET', `/conversations/prospect/emit/message/${outgoing}`);
  expect((await a.next('prospect_message'))[0]).toMatchObject({
    is_sender: true,
    sent_by: { _id: ann.id, name: 'Ann', email: 'ann@example.com' },
  });
  expect((await b.next('prospect_message'))[0].is_sender).toBe(false);
});

test('a conversation that a backend changed is sent with each user’s unread count, and counted', async () => {
  const { bob, a, b, id } = await talk();
  await b.next('prospect_add_conversation');
  await environment.models.Member.updateOne({ conversation: id, user: bob.id }, { unread_count: 7 });
  for (const [word, isNew] of [
    ['new', true],
    ['existing', false],
  ] as const) {
    const answer = await environment.nodes[0]?.call('GET', `/conversations/prospect/emit/conversation/${id}/${word}`);
    expect(answer?.json).toEqual({ success: true, message: 'SUCCESS' });
    expect((await b.next('prospect_add_conversation'))[0]).toMatchObject({ _id: id, unread_count: 7, is_new: isNew });
    expect((await a.next('prospect_add_conversation'))[0]).toMatchObject({ unread_count: 0, is_new: isNew });
  }
  await until(() =>
    b.received('counters').some(([push]) => push.channel_id === 'prospect' && push.counters.unread === 1),
  );
});

test('a conversation that a backend created gets members', async () => {
  const { ann, bob, contactId, b } = await talk();
  await b.next('prospect_add_conversation');
  const made = await environment.models.ConversationProspect.create({
    account: ann.accountId,
    users: [ann.id, bob.id],
    contact_id: contactId,
    channel_id: 'sms',
    created_by: ann.id,
  });
  await environment.nodes[0]?.call('GET', `/conversations/prospect/emit/conversation/${made._id}/new`);
  expect((await b.next('prospect_add_conversation'))[0]).toMatchObject({ _id: String(made._id), unread_count: 0 });
  const { conversation, paging } = dataOf(await b.ask('prospect_list_conversation', {}));
  expect(conversation).toHaveLength(2);
  expect(paging.total).toBe(2);
});

test('routes refuse unknown parameters', async () => {
  const { id } = await talk();
  const call = async (path: string) => (await environment.nodes[0]?.call('GET', `/conversations/${path}`))?.json;
  const notFound = { success: false, errno: 404, message: 'NOT_FOUND' };
  expect(await call(`team/emit/conversation/${id}/new`)).toMatchObject(notFound);
  expect(await call(`sms/emit/message/${id}`)).toMatchObject(notFound);
  expect(await call(`prospect/emit/message/${id}`)).toMatchObject(notFound);
  expect(await call('prospect/emit/message/nonsense')).toMatchObject(notFound);
  expect(await call(`prospect/emit/conversation/${new Types.ObjectId()}/new`)).toMatchObject(notFound);
  expect(await call(`prospect/emit/conversation/${id}/perhaps`)).toMatchObject({
    errno: 400,
    message: 'VALIDATION_ERROR',
  });
  const anonymous = await environment.nodes[0]?.call('GET', `/conversations/prospect/emit/message/${id}`, undefined, {
    'x-api-key': 'wrong',
  });
  expect(anonymous?.status).toBe(401);
});

test('all other events behave as in team conversations', async () => {
  const { a, b, id } = await talk();
  const ask = async (event: string, data: object = {}) =>
    dataOf(await b.ask(`prospect_${event}`, { conversation_id: id, ...data }));
  const until = new Date(Date.now() + 3_600_000).toISOString();
  expect((await ask('show_on_top')).conversation.show_on_top).toBe(true);
  expect((await ask('snooze', { until })).conversation.snoozed_until).toBe(until);
  expect((await ask('snooze', { until: null })).conversation.snoozed_until).toBeNull();
  expect((await ask('archive')).conversation.archived).toBe(true);
  expect((await ask('archive', { archive: false })).conversation.archived).toBe(false);
  expect((await ask('open', { is_open: false })).conversation.is_open).toBe(false);
  expect((await a.next('update_conversation'))[0].data.conversation).toMatchObject({ _id: id, is_open: false });
  expect((await ask('edit_conversation', { title: 'Renamed' })).conversation).toMatchObject({ title: 'Renamed' });
  const { message } = dataOf(await a.ask('prospect_add_note', { conversation_id: id, data: 'n' }));
  expect((await ask('list_message_by_id', { message_id: message._id })).messageList).toHaveLength(1);
  await b.ask('prospect_read', { conversation_id: id });
  expect((await a.next('prospect_read'))[0]).toMatchObject({ conversation_id: id, message_id: message._id });
  expect((await ask('get_conversation_by_id')).conversation.unread_count).toBe(0);
  expect(await a.ask('get_conversation_by_id', { conversation_id: id })).toMatchObject({ message: 'NOT_FOUND' });
  const [dan] = await environment.people('Dan');
  expect(await a.ask('prospect_add_participant', { conversation_id: id, users: [dan?.id] })).toMatchObject({
    message: 'NOT_FOUND',
  });
});

test('a stored communication for many participants costs few commands to the database', async () => {
  const counted = await createTestEnvironment({ proxyOptions: '' });
  const people = await counted.people(...Array.from({ length: 60 }, (_, n) => `User ${n}`));
  const [first] = people;
  if (first === undefined) throw new Error('there is no such user');
  const account = new Types.ObjectId(first.accountId);
  const conversation = await counted.models.ConversationProspect.create({
    account,
    users: people.map(({ id }) => id),
    channel_id: 'sms',
    contact_id: new Types.ObjectId(),
    created_by: first.id,
  });
  const message = await counted.models.Communication.create({
    account,
    conversation_id: [conversation._id],
    type: 'OUTGOING',
    data: 'text',
    sent_by: first.id,
  });
  const client = await counted.open(first);
  const { commands } = counted.proxy();
  const before = commands.length;
  const answer = await counted.node(0).call('GET', `/conversations/prospect/emit/message/${message._id}`);
  expect(answer.status).toBe(200);
  await client.next('prospect_message');
  // Fewer than one for each participant.
  expect(commands.length - before).toBeLessThan(people.length);
  expect(dataOf(await client.ask('channel', { channel_id: 'prospect' })).counters).toMatchObject({ open: 1 });
  await counted.close();
});

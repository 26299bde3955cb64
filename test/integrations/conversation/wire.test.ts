import { Types } from 'mongoose';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { ClientEvent, ServerEvent } from '#shared/contracts/contract.js';
import { conversation } from '#shared/contracts/conversation.js';
import { prospect } from '#shared/contracts/prospect.js';
import type { TestClient } from '../../support/client.js';
import { createTestEnvironment, dataOf, type TestEnvironment } from '../../support/environment.js';

let environment: TestEnvironment;

beforeAll(async () => {
  environment = await createTestEnvironment();
});
afterAll(() => environment.close());

const clientEvents: Record<string, ClientEvent> = { ...conversation.clientEvents, ...prospect.clientEvents };
const serverEvents: Record<string, ServerEvent> = { ...conversation.serverEvents, ...prospect.serverEvents };

/** The fields of a conversation and of a message, exactly as they are promised. */
const CONVERSATION =
  '_id title image users channel_id created_by is_open show_on_top snoozed_until archived mentioned unread_count last_activity createdAt updatedAt';
const MESSAGE = '_id UUID conversation_id data type sent_by mentions attachments is_sender createdAt';
const PROSPECT_MESSAGE = '_id UUID type data sent_by conversation_id is_sender createdAt';

const fieldsOf = (value: object): string[] => Object.keys(value).sort();
const fields = (text: string): string[] => text.split(' ').sort();

/** What a field of a user or contact may hold that another service has stored: anything. */
const ODD = [42, null, { nested: { token: 'secret' } }, ['https://example.com/a.png'], true];

/** Two users with a colleague of an unusual shape, and a contact. Passwords must never be sent. */
async function talk() {
  const [ann, bob, odd] = await environment.people('Ann', 'Bob', 'Odd');
  await environment.models.User.collection.updateMany(
    { account: new Types.ObjectId(ann.accountId) },
    { $set: { password: 'hash', tokens: ['t'], phone: '555' } },
  );
  const contact = await environment.models.Contact.create({
    account: ann.accountId,
    name: 'Carla',
    email: 'c@example.com',
  });
  await environment.models.Contact.collection.updateOne(
    { _id: contact._id },
    { $set: { iban: 'DE00', notes: 'private' } },
  );
  return { odd, contactId: contact._id, bob, a: await environment.open(ann), b: await environment.open(bob) };
}

/** Asks, and holds when the answer is what the contract says: each field of it and no other. */
async function ask(client: TestClient, event: string, data: object): Promise<ReturnType<typeof dataOf>> {
  const answer = await client.ask(event, data);
  const { answer: schema, isEchoed } = clientEvents[event] ?? {};
  const found = dataOf(answer);
  expect(schema === undefined ? undefined : schema.parse(found), event).toEqual(found);
  expect(fieldsOf(answer), event).toEqual(fields(schema === undefined ? 'success message' : 'success message data'));
  if (isEchoed === true) expect((await client.next(event))[0], `the event ${event}`).toEqual(answer);
  return found;
}

/** The next event of a name, which is what the contract says. */
async function heard(client: TestClient, event: string): Promise<ReturnType<typeof dataOf>> {
  const [payload, ...more] = await client.next(event);
  expect(more).toEqual([]);
  expect(serverEvents[event]?.payload?.parse(payload), event).toEqual(payload);
  return payload;
}

test('answers and events have exactly the documented fields, and no unread field of a document', async () => {
  const { bob, a, b, contactId } = await talk();
  const { conversation: made } = await ask(a, 'add_conversation', {
    users: [bob.id],
    channel_id: 'x',
    image: '/i.png',
  });
  expect(fieldsOf(made)).toEqual(fields(CONVERSATION));
  expect(fieldsOf(made.users[0])).toEqual(fields('_id name email image conversation_active_status'));
  expect(await heard(b, 'add_conversation')).toEqual({ ...made });
  const conversation_id = made._id;

  const attachments = ['https://example.com/a.png', { url: '/b.pdf', name: 'b.pdf', type: 'application/pdf', size: 7 }];
  const said = { conversation_id, data: '<b>opaque</b>', UUID: 'u', mentions: [bob.id], attachments };
  const { message } = await ask(a, 'message', said);
  expect(fieldsOf(message)).toEqual(fields(MESSAGE));
  expect(fieldsOf(message.sent_by)).toEqual(fields('_id name image'));
  expect(message).toMatchObject({ ...said, type: 'text', is_sender: true });
  expect(await heard(b, 'message')).toEqual({ ...message, is_sender: false });

  await ask(b, 'read', { conversation_id });
  const read = await heard(a, 'read');
  expect(fieldsOf(read)).toEqual(fields('conversation_id userID message_id read_at'));
  expect(read).toMatchObject({ conversation_id, userID: bob.id, message_id: message._id });
  await ask(a, 'typing', { conversation_id });
  expect(fieldsOf(await heard(b, 'typing'))).toEqual(fields('conversation_id user is_typing'));
  await ask(a, 'open', { conversation_id, is_open: false });
  const update = await heard(b, 'update_conversation');
  expect([fieldsOf(update), fieldsOf(update.data)]).toEqual([fields('success message data'), ['conversation']]);
  expect(fieldsOf(update.data.conversation)).toEqual(fields(CONVERSATION));
  await ask(a, 'active_status', { status: 'away' });
  expect(fieldsOf(await heard(b, 'active_status'))).toEqual(fields('userID conversation_active_status'));
  expect(fieldsOf(await heard(b, 'counters'))).toEqual(fields('channel_id counters version'));

  for (const [event, data] of [
    ['list_conversation', { message_limit: 3 }],
    ['conversation_filter', { status: 'closed' }],
    ['get_conversation_by_id', { conversation_id }],
    ['list_message', { conversation_id }],
    ['list_message_by_id', { conversation_id, message_id: message._id }],
    ['channel', { channel_id: 'x' }],
    ['channel', {}],
    ['snooze', { conversation_id, until: '2090-01-01T00:00:00.000Z' }],
    ['archive', { conversation_id }],
    ['show_on_top', { conversation_id }],
    ['edit_conversation', { conversation_id, title: 't' }],
    ['add_participant', { conversation_id, users: [bob.id] }],
  ] as const) {
    await ask(a, event, data);
  }

  await ask(a, 'prospect_add_conversation', { contact_id: String(contactId), channel_id: 'x', users: [bob.id] });
  const about = await heard(b, 'prospect_add_conversation');
  expect(fieldsOf(about)).toEqual(fields(`${CONVERSATION} contact_id`));
  expect(fieldsOf(about.contact_id)).toEqual(fields('_id name email phone image'));
  const { message: note } = await ask(a, 'prospect_add_note', { conversation_id: about._id, data: 'n' });
  expect(fieldsOf(note)).toEqual(fields(PROSPECT_MESSAGE));
  expect(fieldsOf(note.sent_by)).toEqual(fields('_id name email'));
  expect(await heard(b, 'prospect_message')).toEqual({ ...note, is_sender: false });
  await ask(b, 'prospect_read', { conversation_id: about._id });
  expect(fieldsOf(await heard(a, 'prospect_read'))).toEqual(fields('conversation_id userID message_id read_at'));
  for (const [event, data] of [
    ['prospect_list_conversation', {}],
    ['prospect_get_conversation_by_id', { conversation_id: about._id }],
    ['prospect_list_message', { conversation_id: about._id }],
    ['prospect_list_message_by_id', { conversation_id: about._id, message_id: note._id }],
    ['channel', { channel_id: 'prospect' }],
  ] as const) {
    await ask(b, event, data);
  }
});

test('users and contacts of any shape are shown as the contract says', async () => {
  const { odd, bob, a, contactId } = await talk();
  const data = { users: [bob.id, odd.id], channel_id: 'x' };
  const { conversation: made } = await ask(a, 'add_conversation', data);
  await ask(a, 'prospect_add_conversation', { ...data, contact_id: String(contactId) });
  const about = await heard(a, 'prospect_add_conversation');
  const o = await environment.open(odd);
  for (const value of ODD) {
    const $set = { name: value, email: value, image: value, phone: value, conversation_active_status: value };
    await environment.models.User.collection.updateOne({ _id: new Types.ObjectId(odd.id) }, { $set });
    await environment.models.Contact.collection.updateOne({ _id: contactId }, { $set });
    await ask(o, 'message', { conversation_id: made._id, data: 'from an odd user' });
    await heard(a, 'message');
    await ask(a, 'list_message', { conversation_id: made._id });
    const { conversation: shown } = await ask(a, 'get_conversation_by_id', { conversation_id: made._id });
    expect(shown.users[2]).toEqual({
      _id: odd.id,
      name: '',
      email: null,
      image: null,
      conversation_active_status: 'away',
    });
    await ask(a, 'list_conversation', { search: 'odd' });
    await ask(a, 'prospect_list_conversation', {});
    await ask(a, 'prospect_get_conversation_by_id', { conversation_id: about._id });
  }
});

test('links that run code or leave the web are refused in every spelling', async () => {
  const { bob, a } = await talk();
  const { conversation: made } = await ask(a, 'add_conversation', { users: [bob.id], channel_id: 'x' });
  const conversation_id = made._id;
  const count = () =>
    Promise.all([environment.models.Message.countDocuments(), environment.models.Conversation.countDocuments()]);
  const before = await count();
  for (const url of [
    'javascript:alert(1)',
    ' JaVaScRiPt:alert(1)',
    'java\tscript:alert(1)',
    '\u0001javascript:alert(1)',
    'java\nscript\n:alert(1)',
    'vbscript:x',
    'data:text/html,<script>alert(1)</script>',
    'file:///etc/passwd',
    'blob:https://example.com/1',
  ]) {
    for (const [event, data] of [
      ['message', { conversation_id, data: 'd', attachments: [url] }],
      ['message', { conversation_id, data: 'd', attachments: [{ url }] }],
      ['add_conversation', { users: [bob.id], channel_id: 'x', image: url }],
      ['edit_conversation', { conversation_id, image: ['/fine.png', url] }],
    ] as const) {
      expect(await a.ask(event, data), `${event} ${JSON.stringify(url)}`).toMatchObject({
        message: 'VALIDATION_ERROR',
      });
    }
  }
  expect(await count()).toEqual(before);
  for (const url of ['https://example.com/a:b', 'HTTP://example.com', '/files/a.png', 'a.png?at=12:30', '//cdn/x']) {
    await ask(a, 'message', { conversation_id, data: 'd', attachments: [url] });
  }
});

test('ids that become equal when stored are refused', async () => {
  const { bob, a } = await talk();
  const { conversation: made } = await ask(a, 'add_conversation', { users: [bob.id], channel_id: '__proto__' });
  for (const UUID of ['a\ud800', 'a\udfff']) {
    const answer = await a.ask('message', { conversation_id: made._id, data: 'd', UUID });
    expect(answer).toMatchObject({ message: 'VALIDATION_ERROR' });
  }
  expect(await environment.models.Message.countDocuments({ conversation_id: made._id })).toBe(0);
  const { channels } = dataOf(await a.ask('channel', {}));
  expect(Object.getOwnPropertyDescriptor(channels, '__proto__')?.value).toMatchObject({ open: 1 });
});

import { Types } from 'mongoose';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { conversation } from '#shared/contracts/conversation.js';
import { prospect } from '#shared/contracts/prospect.js';
import type { TestClient } from '../../support/client.js';
import { createTestEnvironment, dataOf, type TestEnvironment } from '../../support/environment.js';

let environment: TestEnvironment;
let a: TestClient;
let b: TestClient;
/** Data of every event that would succeed. */
let valid: Record<string, Record<string, unknown>>;

beforeAll(async () => {
  environment = await createTestEnvironment();
  const [ann, bob] = await environment.people('Ann', 'Bob');
  a = await environment.open(ann);
  b = await environment.open(bob);
  const made = dataOf(await a.ask('add_conversation', { users: [bob.id], channel_id: 'x' })).conversation;
  const { message } = dataOf(await a.ask('message', { conversation_id: made._id, data: 'hi' }));
  const contact = await environment.models.Contact.create({ account: ann.accountId, name: 'Carla' });
  await a.ask('prospect_add_conversation', { contact_id: String(contact._id), channel_id: 'x', users: [bob.id] });
  const [about] = await a.next('prospect_add_conversation');
  const note = dataOf(await a.ask('prospect_add_note', { conversation_id: about._id, data: 'n' })).message;
  const eventsOf = (conversation_id: string, message_id: string) => ({
    list_conversation: { channel_id: 'x', page: 1, limit: 2, search: 'a', message_limit: 1 },
    get_conversation_by_id: { conversation_id },
    list_message: { conversation_id, page: 1, limit: 2, before: message_id },
    list_message_by_id: { conversation_id, message_id, limit: 3 },
    read: { conversation_id, message_id },
    snooze: { conversation_id, until: null },
    archive: { conversation_id, archive: false },
    show_on_top: { conversation_id, show_on_top: true },
    open: { conversation_id, is_open: true },
    edit_conversation: { conversation_id, title: 't', image: 'i' },
    add_participant: { conversation_id, users: [bob.id] },
  });
  const prospectEvents = Object.entries(eventsOf(about._id, note._id)).map(([name, data]) => {
    const { image: _, ...rest } = data as Record<string, unknown>;
    return [`prospect_${name}`, rest];
  });
  valid = {
    active_status: { status: 'active' },
    add_conversation: { users: [bob.id], channel_id: 'x', title: 't', image: 'i' },
    ...eventsOf(made._id, message._id),
    conversation_filter: { status: 'open', users: [bob.id], from: '2020-01-01T00:00:00Z', to: '2030-01-01T00:00:00Z' },
    channel: { channel_id: 'x', page: 1, limit: 2, message_limit: 1 },
    typing: { conversation_id: made._id, is_typing: true },
    message: { conversation_id: made._id, data: 'd', type: 'text', UUID: 'u', mentions: [bob.id], attachments: ['x'] },
    prospect_add_conversation: { contact_id: String(contact._id), channel_id: 'x', users: [bob.id], title: 't' },
    ...Object.fromEntries(prospectEvents),
    prospect_add_note: { conversation_id: about._id, data: 'n', UUID: 'u' },
  };
});
afterAll(() => environment.close());

const collections = () => [
  environment.models.Conversation,
  environment.models.ConversationProspect,
  environment.models.Member,
  environment.models.Message,
  environment.models.Communication,
  environment.models.Counter,
];

/** All that is stored. */
const everything = async () =>
  JSON.stringify(
    await Promise.all(collections().map((model) => (model as typeof environment.models.Counter).find().lean())),
  );

test('the table of this test covers every event', () => {
  const events = [...Object.keys(conversation.clientEvents), ...Object.keys(prospect.clientEvents)];
  expect(Object.keys(valid).sort()).toEqual(events.filter((name) => name !== 'join').sort());
});

test('invalid values of every field are refused, with nothing stored or sent', async () => {
  await b.ask('get_conversation_by_id', { conversation_id: valid['read']?.['conversation_id'] });
  const before = await everything();
  const heard = b.received('message').length;
  const bad: unknown[] = [
    { $ne: null },
    { $gt: '' },
    [{ $ne: null }],
    null,
    -1,
    1.5,
    '',
    'x'.repeat(100_000),
    ['x'.repeat(100_000)],
    Array.from({ length: 10_000 }, () => String(new Types.ObjectId())),
    { toString: 'x' },
    [[[]]],
  ];
  /** Values that are right for a field although they are in the list. */
  const isFine = (field: string, value: unknown): boolean =>
    (field === 'until' && value === null) ||
    (field === 'title' && value === '') ||
    (field === 'search' && value === '');
  for (const [event, data] of Object.entries(valid)) {
    for (const field of Object.keys(data)) {
      for (const value of bad) {
        if (isFine(field, value)) continue;
        const answer = await a.ask(event, { ...data, [field]: value });
        expect(answer.success, `${event}.${field} = ${JSON.stringify(value)?.slice(0, 60)}`).toBe(false);
        expect(['VALIDATION_ERROR', 'NOT_FOUND']).toContain(answer.message);
      }
    }
  }
  expect(await everything()).toBe(before);
  await a.ask('typing', { conversation_id: valid['read']?.['conversation_id'], is_typing: false });
  await b.next('typing');
  expect(b.received('message')).toHaveLength(heard);
});

test('missing fields, unknown ids and malformed ids are refused', async () => {
  const before = await everything();
  const isId = (value: unknown): boolean => /^[0-9a-f]{24}$/.test(String(value));
  const required: Record<string, string[]> = {
    active_status: ['status'],
    add_conversation: ['users', 'channel_id'],
    prospect_add_conversation: ['contact_id', 'channel_id'],
    message: ['conversation_id', 'data'],
    prospect_add_note: ['conversation_id', 'data'],
  };
  for (const [event, data] of Object.entries(valid)) {
    for (const field of required[event] ?? ['conversation_id']) {
      if (!(field in data)) continue;
      const { [field]: _, ...rest } = data;
      expect(await a.ask(event, rest), `${event} without ${field}`).toMatchObject({ message: 'VALIDATION_ERROR' });
    }
    for (const [field, value] of Object.entries(data)) {
      if (!isId(value) && !(Array.isArray(value) && isId(value[0]))) continue;
      for (const wrong of [String(new Types.ObjectId()), 'not-an-id', '000000000000']) {
        // A filter that finds nothing, and mentions of those who take no part.
        if (event === 'conversation_filter' || (field === 'mentions' && isId(wrong))) continue;
        const answer = await a.ask(event, { ...data, [field]: Array.isArray(value) ? [wrong] : wrong });
        expect(answer.success, `${event}.${field} = ${wrong}`).toBe(false);
        expect(['VALIDATION_ERROR', 'NOT_FOUND']).toContain(answer.message);
      }
    }
  }
  expect(await everything()).toBe(before);
});

test('a user whose id is no ObjectId is in no conversation', async () => {
  const odd = await environment.open({ id: 'user-1', accountId: 'account-1', name: 'Odd' });
  for (const event of ['list_conversation', 'conversation_filter', 'prospect_list_conversation']) {
    expect(dataOf(await odd.ask(event, {})).conversation).toEqual([]);
  }
  expect(dataOf(await odd.ask('channel', {})).channels.you).toMatchObject({ open: 0 });
  const { message } = await odd.ask('add_conversation', { users: [String(new Types.ObjectId())], channel_id: 'x' });
  expect(message).toBe('NOT_FOUND');
  expect(await odd.ask('list_message', { conversation_id: valid['read']?.['conversation_id'] })).toMatchObject({
    message: 'NOT_FOUND',
  });
});

import { randomUUID } from 'node:crypto';
import { Types } from 'mongoose';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { TestClient } from '../../support/client.js';
import { createTestClock } from '../../support/clock.js';
import { createTestEnvironment, dataOf, type TestEnvironment, type TestUser } from '../../support/environment.js';

let environment: TestEnvironment;

beforeAll(async () => {
  environment = await createTestEnvironment({ nodes: 2, overrides: { clock: createTestClock() } });
});

afterAll(async () => {
  await environment?.close();
});

const FORBIDDEN = { success: false, message: 'FORBIDDEN' };
const channel_id = 'general';

const block = (one: TestUser, other: TestUser) =>
  environment.models.User.updateOne({ _id: one.id }, { $push: { blockedUsers: other.id } });

const make = async (client: TestClient, ...users: TestUser[]): Promise<string> =>
  dataOf(await client.ask('add_conversation', { users: users.map(({ id }) => id), channel_id })).conversation._id;

/** Three people of one account; each has a client. */
async function meet() {
  const [ann, eve, fay] = await environment.people('Ann', 'Eve', 'Fay');
  const a = await environment.open(ann);
  const e = await environment.open(eve, { node: 1 });
  const f = await environment.open(fay, { namespace: '/v1/conversation/live' });
  return { ann, eve, fay, a, e, f };
}

test.each(['Ann', 'Eve'])('a block by %s prevents adding both users to one conversation', async (by) => {
  const { ann, eve, fay, a, e, f } = await meet();
  const ofTwo = await make(a, fay);
  const known = await make(f, ann, eve);
  await (by === 'Ann' ? block(ann, eve) : block(eve, ann));
  const count = () => environment.models.Conversation.countDocuments({ account: ann.accountId });
  const before = await count();
  for (const [client, users] of [
    [e, [ann.id]],
    [a, [eve.id]],
    [f, [ann.id.toUpperCase(), eve.id]],
  ] as const) {
    expect(await client.ask('add_conversation', { users, channel_id })).toMatchObject(FORBIDDEN);
  }
  expect(await f.ask('add_participant', { conversation_id: ofTwo, users: [eve.id] })).toMatchObject(FORBIDDEN);
  const contact = await environment.models.Contact.create({ account: ann.accountId, name: 'Contact' });
  const prospect = { contact_id: String(contact._id), users: [ann.id], channel_id };
  expect(await e.ask('prospect_add_conversation', prospect)).toMatchObject(FORBIDDEN);
  expect(await count()).toBe(before);
  const { users } = (await environment.models.Conversation.findById(ofTwo).lean()) ?? {};
  expect(users?.map(String).sort()).toEqual([ann.id, fay.id].sort());
  // Those who are in one conversation already do not keep others out of it.
  const gus = new Types.ObjectId();
  await environment.models.User.create({ _id: gus, account: ann.accountId, name: 'Gus' });
  expect(await f.ask('add_participant', { conversation_id: known, users: [String(gus)] })).toMatchObject({
    success: true,
  });
});

test.each(['Ann', 'Eve'])('a block by %s stops messages between two users', async (by) => {
  const { ann, eve, a, e } = await meet();
  const conversation_id = await make(a, eve);
  const UUID = randomUUID();
  const first = dataOf(await e.ask('message', { conversation_id, data: 'before', UUID })).message;
  await a.next('message');
  await (by === 'Ann' ? block(ann, eve) : block(eve, ann));
  for (const client of [a, e]) {
    expect(await client.ask('message', { conversation_id, data: 'after' })).toMatchObject(FORBIDDEN);
    expect(await client.ask('edit_conversation', { conversation_id, title: 'after' })).toMatchObject(FORBIDDEN);
    expect(await client.ask('open', { conversation_id, is_open: false })).toMatchObject(FORBIDDEN);
  }
  expect(await environment.models.Conversation.findById(conversation_id).lean()).toMatchObject({
    title: '',
    is_open: true,
  });
  expect(dataOf(await e.ask('message', { conversation_id, data: 'before', UUID })).message._id).toBe(first._id);
  expect(await environment.models.Message.countDocuments({ conversation_id })).toBe(1);
  const { unread_count } =
    (await environment.models.Member.findOne({ conversation: conversation_id, user: ann.id })) ?? {};
  expect(unread_count).toBe(1);
});

test('in a group, events of a blocked user are not sent, and the stored data is the same for all', async () => {
  const { ann, eve, a, e, f } = await meet();
  const conversation_id = await make(f, ann, eve);
  await block(ann, eve);
  const { message } = dataOf(await f.ask('message', { conversation_id, data: 'of Fay' }));
  for (const client of [a, e]) expect((await client.next('message'))[0].data).toBe('of Fay');
  dataOf(await e.ask('message', { conversation_id, data: 'of Eve', mentions: [ann.id] }));
  await e.ask('typing', { conversation_id });
  await e.ask('read', { conversation_id, message_id: message._id });
  await e.ask('edit_conversation', { conversation_id, title: 'of Eve' });
  await e.ask('active_status', { status: 'away' });
  expect((await f.next('message'))[0].data).toBe('of Eve');
  for (const event of ['typing', 'read', 'update_conversation', 'active_status']) await f.next(event);
  for (const node of environment.nodes) {
    await node.call('POST', `/emit/${ann.id}/barrier?namespace=*`, {});
    await a.next('barrier');
  }
  for (const event of ['message', 'typing', 'read', 'update_conversation'])
    expect(a.received(event), event).toEqual([]);
  expect(a.received('active_status').filter(([{ userID }]) => userID === eve.id)).toEqual([]);
  const textsOf = async (client: TestClient): Promise<string[]> =>
    dataOf(await client.ask('list_message', { conversation_id })).messageList.map(({ data }: { data: string }) => data);
  expect(await textsOf(a)).toEqual(await textsOf(f));
  expect(await textsOf(a)).toEqual(['of Eve', 'of Fay']);
  // The other way round, and by a third person.
  dataOf(await a.ask('message', { conversation_id, data: 'of Ann' }));
  dataOf(await f.ask('message', { conversation_id, data: 'to all' }));
  expect((await e.next('message'))[0].data).toBe('to all');
});

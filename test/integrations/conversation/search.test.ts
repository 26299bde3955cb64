import { Types } from 'mongoose';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { TestClient } from '../../support/client.js';
import { createTestEnvironment, dataOf, type TestEnvironment } from '../../support/environment.js';
import { storedMember } from './stored.js';

let environment: TestEnvironment;

beforeAll(async () => {
  environment = await createTestEnvironment();
});
afterAll(() => environment.close());

async function search(client: TestClient, event: string, text: string): Promise<string[]> {
  const { conversation } = dataOf(await client.ask(event, { search: text, limit: 100 }));
  return conversation.map(({ title }: { title: string }) => title).sort();
}

/** What is stored, and questions that a reader would expect to find it. */
const alike: [string, string[]][] = [
  ['Zürich', ['zurich', 'ZÜRICH', 'Zu\u0308rich', '  zürich ', 'ürich']],
  ['Hauptstra\u00dfe 5', ['strasse', 'HAUPTSTRASSE', 'straße 5', 'strasse\u00a05']],
  ['Фёдор', ['федор', 'ФЁДОР', 'Фе\u0308дор']],
  ['İstanbul', ['istanbul', 'ISTANBUL', '\u0131stanbul']],
  ['ΟΔΟΣ', ['οδος', 'οδοσ', 'όδος']],
  ['O\u2019Neil \u2013 Sales', ["o'neil", 'O\u2018Neil', "o'neil - sales", 'neil \u2014 SALES']],
  ['a.*b (100%) [x]\\', ['.*b (100%)', '[x]\\']],
];

test('a title is found by every spelling, stored by the gateway or by others', async () => {
  const [ann, bob] = await environment.people('Ann', 'Bob');
  const a = await environment.open(ann);
  const account = new Types.ObjectId(ann.accountId);
  const users = [new Types.ObjectId(ann.id), new Types.ObjectId(bob.id)] as const;
  for (const [title] of alike) {
    dataOf(await a.ask('add_conversation', { users: [bob.id], channel_id: 'x', title: `${title} here` }));
    // As another service stores it: no search key, and the other normal form.
    const _id = new Types.ObjectId();
    const shared = { account, channel_id: 'x', is_open: true, last_activity_at: new Date() };
    const made = { ...shared, _id, users, title: `${title.normalize('NFD')} there`, created_by: users[1] };
    await environment.models.Conversation.collection.insertOne(made as never);
    await environment.models.Member.collection.insertOne(storedMember(made, users[0]) as never);
  }
  for (const [title, questions] of alike) {
    for (const question of questions) {
      const expected = [`${title} here`, `${title.normalize('NFD')} there`].sort();
      expect(await search(a, 'list_conversation', question), question).toEqual(expected);
    }
  }
  expect(await search(a, 'list_conversation', 'nothing is called so')).toEqual([]);
  expect(await search(a, 'list_conversation', ' \u200b ')).toHaveLength(2 * alike.length);
});

test('a prospect conversation is found by its displayed name only', async () => {
  const [ann, bob] = await environment.people('Ann', 'Bob');
  const a = await environment.open(ann);
  const { Contact, ConversationProspect } = environment.models;
  const contact = await Contact.create({ account: ann.accountId, name: 'Renée Müller' });
  const find = (text: string) => search(a, 'prospect_list_conversation', text);

  const made = {
    _id: new Types.ObjectId(),
    account: new Types.ObjectId(ann.accountId),
    contact_id: contact._id,
    users: [ann, bob].map(({ id }) => new Types.ObjectId(id)),
    channel_id: 'x',
  };
  await ConversationProspect.collection.insertOne(made as never);
  await environment.nodes[0]?.call('GET', `/conversations/prospect/emit/conversation/${made._id}/new`);
  expect(await find('renee muller')).toEqual(['Renée Müller']);

  await Contact.updateOne({ _id: contact._id }, { name: 'Renée Schmidt' });
  expect(await find('SCHMIDT')).toEqual(['Renée Schmidt']);
  expect(await find('müller')).toEqual([]);

  const conversation_id = String(made._id);
  dataOf(await a.ask('prospect_edit_conversation', { conversation_id, title: 'Big deal' }));
  expect([await find('big'), await find('schmidt')]).toEqual([['Big deal'], []]);
  dataOf(await a.ask('prospect_edit_conversation', { conversation_id, title: '' }));
  expect([await find('big'), await find('schmidt')]).toEqual([[], ['Renée Schmidt']]);

  // Another service changes the title, and has it sent.
  await ConversationProspect.updateOne({ _id: made._id }, { title: 'From elsewhere' });
  await environment.nodes[0]?.call('GET', `/conversations/prospect/emit/conversation/${made._id}/existing`);
  expect([await find('elsewhere'), await find('schmidt')]).toEqual([['From elsewhere'], []]);

  await a.ask('prospect_add_conversation', { contact_id: String(contact._id), channel_id: 'x', title: 'Titled' });
  expect(await find('titled')).toEqual(['Titled']);
});

/** The names of a user, as stored, and questions that a reader would expect to find them. */
const people: [object, string[]][] = [
  [{ name: 'Ann-Marie  Smith' }, ['marie smith', 'ANN-MARIE', 'ann\u2013marie']],
  [{ firstName: 'Zo\u00eb', lastName: 'Ångström' }, ['zoe angstrom', 'ZOË', 'e a', 'Zoe\u0308']],
  [{ firstName: 'Plain', lastName: 'Person' }, ['plain person', 'n p', 'PERSON']],
  [{ name: '', firstName: 'Nameless', lastName: 'Two' }, ['nameless two']],
  [{ name: 'Tab\tstop' }, ['tab stop', 'tab\tstop']],
  [{ name: 'O`Hara' }, ["o'hara", 'O\u2019Hara']],
  [{ name: '\u212aelvin' }, ['kelvin', 'KELVIN']],
  [{ name: 'a.*b (100%) [x]\\' }, ['.*b (100%)', '[x]\\', '(']],
  [{ name: new Types.ObjectId('abcdefabcdefabcdefabcdef') }, ['fabcdefabc']],
  [{ name: 7, firstName: 'Seven' }, ['seven']],
  [{ name: 'Фёдор' }, ['федор', 'ФЁДОР']],
];

test('a participant is found by every spelling of any stored name, and by nothing else', async () => {
  const [ann] = await environment.people('Ann');
  const a = await environment.open(ann);
  const account = new Types.ObjectId(ann.accountId);
  for (const [n, [names]] of people.entries()) {
    const _id = new Types.ObjectId();
    await environment.models.User.collection.insertOne({ _id, account, ...names } as never);
    dataOf(await a.ask('add_conversation', { users: [String(_id)], channel_id: 'x', title: `Number ${n}` }));
  }
  for (const [n, [, questions]] of people.entries()) {
    for (const question of questions)
      expect(await search(a, 'list_conversation', question), question).toContain(`Number ${n}`);
  }
  for (const question of ['smith marie', 'angstromm', 'personn', 'zoe person']) {
    expect(await search(a, 'list_conversation', question), question).toEqual([]);
  }
});

test('a participant is found in conversations of any age, with and without an index', async () => {
  const OLD = 5200;
  const [ann, bob, eve] = await environment.people('Ann', 'Bob', 'Eve');
  const a = await environment.open(ann);
  const account = new Types.ObjectId(ann.accountId);
  const [me, him, her] = [ann, bob, eve].map(({ id }) => new Types.ObjectId(id));
  // Bob is in the oldest ones, once as text, and in one that Ann is not in.
  const conversations = Array.from({ length: OLD }, (_, n) => ({
    _id: new Types.ObjectId(),
    account,
    title: `Old ${n}`,
    channel_id: 'x',
    is_open: true,
    created_by: me,
    users: [n === 2 ? her : me, ...(n < 3 ? [n === 0 ? bob.id : him] : [her])],
    last_activity_at: new Date(1_700_000_000_000 + n),
  }));
  await environment.models.Conversation.collection.insertMany(conversations as never[]);
  const members = conversations.map((conversation, n) => storedMember(conversation, n === 2 ? her : me));
  await environment.models.Member.collection.insertMany(members as never[]);
  const titles = async (query: object): Promise<string[]> => {
    const { conversation } = dataOf(await a.ask('conversation_filter', query));
    return conversation.map(({ title }: { title: string }) => title);
  };
  expect(await titles({ users: [bob.id] })).toEqual(['Old 1', 'Old 0']);
  expect(await titles({ users: [eve.id, bob.id] })).toEqual([]);
  expect(await titles({ users: [bob.id], search: 'old 0' })).toEqual(['Old 0']);
  expect(await titles({ users: [bob.id], status: 'archived' })).toEqual([]);
  const walked = [];
  for (const page of [1, 2]) walked.push(...(await titles({ users: [bob.id], page, limit: 1 })));
  expect(walked).toEqual(['Old 1', 'Old 0']);
  expect(await titles({ users: [eve.id], limit: 2 })).toEqual([`Old ${OLD - 1}`, `Old ${OLD - 2}`]);

  // Without the index the newest 5,000 are looked at.
  const { collection } = environment.models.Conversation;
  await collection.updateOne({ title: `Old ${OLD - 3}` }, { $set: { users: [me, him] } } as never);
  await collection.dropIndex('users_1');
  expect(await titles({ users: [bob.id] })).toEqual([`Old ${OLD - 3}`]);
  await collection.createIndex({ users: 1 });
});

test('each of many users with the same name is found, and a renamed user by the new name', async () => {
  const COUNT = 150;
  const [ann] = await environment.people('Ann');
  const a = await environment.open(ann);
  const account = new Types.ObjectId(ann.accountId);
  const me = new Types.ObjectId(ann.id);
  const marias = Array.from({ length: COUNT }, (_, n) => ({ _id: new Types.ObjectId(), account, name: `María ${n}` }));
  await environment.models.User.collection.insertMany(marias as never[]);
  const conversations = marias.map(({ _id }, n) => ({
    _id: new Types.ObjectId(),
    account,
    users: [me, n % 2 ? _id : String(_id)],
    title: `With ${n}`,
    channel_id: 'x',
    is_open: true,
    last_activity_at: new Date(1_700_000_000_000 + n),
    created_by: me,
  }));
  await environment.models.Conversation.collection.insertMany(conversations as never[]);
  const members = conversations.map((conversation) => storedMember(conversation, me));
  await environment.models.Member.collection.insertMany(members as never[]);
  const walked: string[] = [];
  for (let page = 1; page <= 4; page += 1) {
    const { conversation, paging } = dataOf(await a.ask('list_conversation', { search: ' MARIA', page, limit: 40 }));
    expect(paging).toMatchObject({ page, limit: 40, has_next: page < 4 });
    // A page is full before all are looked at.
    expect(paging.total).toBeGreaterThanOrEqual(Math.min(page * 40 + 1, COUNT));
    expect(paging.total).toBeLessThanOrEqual(COUNT);
    walked.push(...conversation.map(({ title }: { title: string }) => title));
  }
  expect(walked).toEqual(conversations.map(({ title }) => title).reverse());
  expect(await search(a, 'list_conversation', 'maria 149')).toEqual(['With 149']);
  await environment.models.User.updateOne({ _id: marias[0]?._id }, { name: 'Josefa' });
  expect(await search(a, 'list_conversation', 'josefa')).toEqual(['With 0']);
  expect(await search(a, 'list_conversation', 'maria 0')).toEqual([]);
  const last = { users: [String(marias[148]?._id)] };
  expect(dataOf(await a.ask('conversation_filter', last)).conversation).toHaveLength(1);
  // The caller's own name, which is in all of them, finds nothing.
  expect(await search(a, 'list_conversation', 'ann')).toEqual([]);
});

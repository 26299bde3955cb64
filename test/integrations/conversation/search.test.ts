import { Types } from 'mongoose';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { TestClient } from '../../support/client.js';
import { createTestEnvironment, dataOf, type TestEnvironment } from '../../support/environment.js';

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
  const users = [ann, bob].map(({ id }) => new Types.ObjectId(id));
  for (const [title] of alike) {
    dataOf(await a.ask('add_conversation', { users: [bob.id], channel_id: 'x', title: `${title} here` }));
    // As another service stores it: no search key, and the other normal form.
    const _id = new Types.ObjectId();
    const shared = { account, channel_id: 'x', is_open: true, last_activity_at: new Date() };
    const made = { ...shared, _id, users, title: `${title.normalize('NFD')} there`, created_by: users[1] };
    await environment.models.Conversation.collection.insertOne(made as never);
    await environment.models.Member.collection.insertOne({
      ...{ ...shared, conversation: _id, kind: 'team', user: users[0], archived: false, snoozed_until: null },
      ...{ show_on_top: false, unread_count: 0 },
    } as never);
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
    ...{ _id: new Types.ObjectId(), account: new Types.ObjectId(ann.accountId), contact_id: contact._id },
    ...{ users: [ann, bob].map(({ id }) => new Types.ObjectId(id)), channel_id: 'x' },
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

test('each of many users with the same name is found, and a renamed user by the new name', async () => {
  const COUNT = 150;
  const [ann] = await environment.people('Ann');
  const a = await environment.open(ann);
  const account = new Types.ObjectId(ann.accountId);
  const me = new Types.ObjectId(ann.id);
  const marias = Array.from({ length: COUNT }, (_, n) => ({ _id: new Types.ObjectId(), account, name: `María ${n}` }));
  await environment.models.User.collection.insertMany(marias as never[]);
  const conversations = marias.map(({ _id }, n) => ({
    ...{
      _id: new Types.ObjectId(),
      account,
      users: [me, n % 2 ? _id : String(_id)],
      title: `With ${n}`,
      channel_id: 'x',
    },
    ...{ is_open: true, last_activity_at: new Date(1_700_000_000_000 + n), created_by: me },
  }));
  await environment.models.Conversation.collection.insertMany(conversations as never[]);
  const members = conversations.map(({ _id, last_activity_at }) => ({
    ...{ conversation: _id, kind: 'team', user: me, account, channel_id: 'x', archived: false, snoozed_until: null },
    ...{ show_on_top: false, unread_count: 0, is_open: true, last_activity_at },
  }));
  await environment.models.Member.collection.insertMany(members as never[]);
  const walked: string[] = [];
  for (let page = 1; page <= 4; page += 1) {
    const { conversation, paging } = dataOf(await a.ask('list_conversation', { search: ' MARIA', page, limit: 40 }));
    expect(paging).toEqual({ page, limit: 40, total: COUNT, has_next: page < 4 });
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

import { Types } from 'mongoose';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { TestClient } from '../../support/client.js';
import { createTestEnvironment, dataOf, type TestEnvironment } from '../../support/environment.js';

let environment: TestEnvironment;

beforeAll(async () => {
  environment = await createTestEnvironment();
});
afterAll(() => environment.close());

/** A conversation in which so many messages of some text were said, a millisecond apart. @returns their ids, newest first */
async function talk(count: number, data: string) {
  const [ann, bob] = await environment.people('Ann', 'Bob');
  const a = await environment.open(ann);
  const made = await a.ask('add_conversation', { users: [bob.id], channel_id: 'x' });
  const id: string = dataOf(made).conversation._id;
  const messages = Array.from({ length: count }, (_, n) => ({
    _id: new Types.ObjectId(),
    conversation_id: new Types.ObjectId(id),
    UUID: `m${n}`,
    data,
    type: 'text',
    sent_by: new Types.ObjectId(bob.id),
    mentions: [],
    attachments: [],
    createdAt: new Date(1_700_000_000_000 + n),
  }));
  for (let start = 0; start < count; start += 5000) {
    await environment.models.Message.collection.insertMany(messages.slice(start, start + 5000) as never[]);
  }
  return { a, id, ids: messages.map(({ _id }) => String(_id)).reverse() };
}

const idsOf = ({ messageList }: { messageList: { _id: string }[] }): string[] => messageList.map(({ _id }) => _id);

/** Walks through the messages of a conversation. */
async function walk(client: TestClient, query: object): Promise<string[]> {
  const found: string[] = [];
  for (let page = 1; ; page += 1) {
    const data = dataOf(await client.ask('list_message', { ...query, page }));
    found.push(...idsOf(data));
    if (!data.paging.has_next) return found;
  }
}

test('the longest messages are split into pages that fit the connection, without a gap', async () => {
  const { a, id, ids } = await talk(100, '\u4e2d'.repeat(10_000));
  const [first] = [dataOf(await a.ask('list_message', { conversation_id: id, limit: 100 }))];
  expect(first.messageList).toHaveLength(20);
  expect(first.paging).toEqual({ page: 1, limit: 100, total: 100, has_next: true });
  expect(await walk(a, { conversation_id: id, limit: 100 })).toEqual(ids);

  const around = dataOf(await a.ask('list_message_by_id', { conversation_id: id, message_id: ids[50], limit: 99 }));
  expect(idsOf(around)).toEqual(ids.slice(41, 61));
  expect(around.paging.has_next).toBe(true);
  const list = dataOf(await a.ask('list_conversation', { limit: 100, message_limit: 100 }));
  expect(list.messageList[id].map(({ _id }: { _id: string }) => _id)).toEqual(ids.slice(0, 20));
  expect(a.socket.connected).toBe(true);
});

test('a window around a message ends with the conversation, on both sides', async () => {
  const { a, id, ids } = await talk(30, 'text');
  const around = async (index: number, limit: number) => {
    const query = { conversation_id: id, message_id: ids[index], limit };
    const data = dataOf(await a.ask('list_message_by_id', query));
    return [idsOf(data), data.paging.has_next];
  };
  expect(await around(0, 9)).toEqual([ids.slice(0, 5), true]);
  expect(await around(1, 9)).toEqual([ids.slice(0, 6), true]);
  expect(await around(29, 9)).toEqual([ids.slice(25), false]);
  expect(await around(25, 9)).toEqual([ids.slice(21), false]);
  expect(await around(10, 1)).toEqual([[ids[10]], true]);
  expect(await around(10, 2)).toEqual([ids.slice(10, 12), true]);
  expect(await around(15, 100)).toEqual([ids, false]);
});

test('before accepts a message, a time, the oldest message, and a place past the end', async () => {
  const { a, id, ids } = await talk(30, 'text');
  const list = async (query: object) => idsOf(dataOf(await a.ask('list_message', { conversation_id: id, ...query })));
  expect(await list({ before: ids[29] })).toEqual([]);
  expect(await list({ before: ids[28] })).toEqual([ids[29]]);
  expect(await list({ before: new Date(1_700_000_000_000 + 10).toISOString() })).toEqual(ids.slice(20));
  expect(await list({ before: '1970-01-01T00:00:00Z' })).toEqual([]);
  expect(await list({ before: '2999-01-01T00:00:00Z', limit: 3 })).toEqual(ids.slice(0, 3));
  expect(await list({ page: 1_000_000, limit: 100 })).toEqual([]);
  expect(await walk(a, { conversation_id: id, before: ids[3], limit: 4 })).toEqual(ids.slice(4));
});

test('far jumps are refused, and paging reaches every page', async () => {
  const { a, id, ids } = await talk(10_300, 'x');
  const jump = (page: number) => a.ask('list_message', { conversation_id: id, page, limit: 100 });
  expect(idsOf(dataOf(await jump(101)))).toEqual(ids.slice(10_000, 10_100));
  expect(await jump(103)).toMatchObject({
    message: 'VALIDATION_ERROR',
    additional_info: { details: [{ path: 'page' }] },
  });
  const { paging } = dataOf(await jump(102));
  expect(paging).toEqual({ page: 102, limit: 100, total: 5000, has_next: true });
  expect(idsOf(dataOf(await jump(103)))).toEqual(ids.slice(10_200));
});

import { Types } from 'mongoose';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createTestEnvironment, dataOf, type TestEnvironment, type TestUser } from '../../support/environment.js';
import { until } from '../../support/until.js';
import { storedMember } from './stored.js';

const CONVERSATIONS = 100;
const PEOPLE = 200;
/** What may wait for a client by default. */
const BUFFER_MAX = 1_048_576;

let environment: TestEnvironment;
let people: readonly TestUser[];
/** All conversations, as every participant sees them: newest first. */
let ids: string[];

beforeAll(async () => {
  environment = await createTestEnvironment();
  people = await environment.people(...Array.from({ length: PEOPLE }, (_, n) => `Person ${n}`));
  const account = new Types.ObjectId(people[0]?.accountId);
  const users = people.map(({ id }) => new Types.ObjectId(id));
  const conversations = Array.from({ length: CONVERSATIONS }, (_, n) => ({
    _id: new Types.ObjectId(),
    account,
    users,
    title: `Talk ${n}`,
    image: [],
    channel_id: 'x',
    created_by: users[0],
    is_open: true,
    last_activity: null,
    last_activity_at: new Date(1.7e12 + n * 1000),
    createdAt: new Date(),
    updatedAt: new Date(),
  }));
  ids = conversations.map(({ _id }) => _id.toHexString()).reverse();
  await environment.models.Conversation.collection.insertMany(conversations as never[]);
  for (const made of conversations) {
    const members = users.map((user) => ({ ...storedMember(made, user), search_key: 'talk' }));
    await environment.models.Member.collection.insertMany(members as never[]);
  }
});
afterAll(() => environment.close());

async function open(index: number) {
  const user = people[index];
  if (user === undefined) throw new Error('there is no such user');
  return environment.open(user);
}

test.each([
  ['list_conversation', { search: undefined }],
  ['list_conversation', { search: 'talk' }],
  ['conversation_filter', { status: 'open' }],
  ['channel', { channel_id: 'x' }],
])('pages of %s with %o fit the connection, and show each conversation once', async (event, query) => {
  const client = await open(0);
  const shown: string[] = [];
  for (let page = 1, hasNext = true; hasNext; page += 1) {
    const answer = await client.ask(event, { ...query, limit: CONVERSATIONS, page });
    expect(JSON.stringify(answer).length).toBeLessThan(BUFFER_MAX / 2);
    const { conversation, messageList, paging } = dataOf(answer);
    const shownNow: string[] = conversation.map(({ _id }: { _id: string }) => _id);
    expect(Object.keys(messageList).sort()).toEqual([...shownNow].sort());
    expect(shownNow.length).toBeGreaterThan(0);
    shown.push(...shownNow);
    hasNext = paging.has_next;
    if (!hasNext) expect(paging.total).toBe(CONVERSATIONS);
  }
  expect(shown).toEqual(ids);
  client.close();
});

test('an event that comes while a client still reads its list closes no connection', async () => {
  const [reader, writer] = [await open(1), await open(2)];
  // biome-ignore lint/suspicious/noExplicitAny: the websocket below the client
  const websocket = (reader.socket.io.engine.transport as any).ws;
  const handled = async () => {
    const { text } = await environment.node(0).call('GET', '/metrics');
    return Number(/event="conversation_filter",code="SUCCESS"\} (\d+)/.exec(text)?.[1] ?? 0);
  };
  const before = await handled();
  websocket.pause();
  const asked = reader.ask('conversation_filter', { limit: CONVERSATIONS });
  await until(async () => (await handled()) > before);
  for (const is_typing of [true, false]) {
    expect(await writer.ask('typing', { conversation_id: ids[0], is_typing })).toMatchObject({ success: true });
  }
  websocket.resume();
  expect(await asked).toMatchObject({ success: true });
  const closed = reader.closed.then((reason) => [reason]);
  for (const is_typing of [true, false]) {
    const [typing] = await Promise.race([reader.next('typing'), closed]);
    expect(typing).toMatchObject({ is_typing });
  }
  reader.close();
  writer.close();
});

import { Types } from 'mongoose';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { storedMember } from '../../integrations/conversation/stored.js';
import { createTestEnvironment, dataOf, type TestEnvironment, type TestUser } from '../../support/environment.js';

/** The default of `EVENT_LIMIT`, and the rows that it pays for. */
const EVENT_LIMIT = 300;
const ROWS_MAX = 100 * EVENT_LIMIT;
const CONVERSATIONS = 100;
const MESSAGES = 100;

let environment: TestEnvironment;
let people: readonly TestUser[];
/** Documents that the database has returned. */
let rows = 0;

beforeAll(async () => {
  environment = await createTestEnvironment({
    proxyOptions: '',
    // One window, however slow the machine is.
    env: { EVENT_LIMIT: String(EVENT_LIMIT), EVENT_LIMIT_WINDOW_MS: '86400000' },
  });
  environment.proxy().rules.onReply = (reply) => {
    const cursor = reply['cursor'] as { firstBatch?: unknown[]; nextBatch?: unknown[] } | undefined;
    rows += (cursor?.firstBatch ?? cursor?.nextBatch ?? []).length;
    return reply;
  };
  people = await environment.people('Mallory', 'Bob', 'Ann');
  const [account, ...users] = [people[0]?.accountId, ...people.map(({ id }) => id)].map((id) => new Types.ObjectId(id));
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
  await environment.models.Conversation.collection.insertMany(conversations as never[]);
  const members = conversations.flatMap((made) =>
    users.map((user) => ({ ...storedMember(made, user), search_key: 'talk' })),
  );
  await environment.models.Member.collection.insertMany(members as never[]);
  const messages = conversations.flatMap(({ _id }) =>
    Array.from({ length: MESSAGES }, (_, n) => ({
      UUID: `m${n}`,
      conversation_id: _id,
      data: 'text',
      type: 'text',
      sent_by: users[1],
      mentions: [],
      attachments: [],
      createdAt: new Date(1.7e12 + n),
    })),
  );
  await environment.models.Message.collection.insertMany(messages as never[]);
});
afterAll(() => environment.close());

/**
 * Sends ten concurrent calls repeatedly. Reconnects when the connection is closed because its answers wait for too long.
 * @returns the successful answers, and the rows that were read
 */
async function flood(who: number, [event, data]: readonly [string, object], calls: number) {
  const user = people[who];
  if (user === undefined) throw new Error('there is no such user');
  let client = await environment.open(user);
  rows = 0;
  let answered = 0;
  for (let asked = 0; asked < calls; asked += 10) {
    if (client.socket.disconnected) client = await environment.open(user);
    const closed = client.closed.then(() => ({ success: false }));
    const answers = await Promise.all(
      Array.from({ length: 10 }, () => Promise.race([client.ask(event, data), closed])),
    );
    answered += answers.filter(({ success }) => success).length;
  }
  client.close();
  return { answered, rows };
}

test('the largest lists read as many rows as the limit pays for', async () => {
  const list = { channel_id: 'x', limit: CONVERSATIONS, message_limit: MESSAGES };
  const read = await flood(0, ['channel', list], 300);
  expect(read.rows).toBeGreaterThan(ROWS_MAX / 2);
  // Those that are begun together may each read their conversations before they pay for the messages.
  expect(read.rows).toBeLessThanOrEqual(ROWS_MAX + 2 * MESSAGES * CONVERSATIONS);
});

test('ordinary lists are answered', async () => {
  const read = await flood(1, ['channel', { channel_id: 'x' }], 100);
  expect(read.answered).toBe(100);
});

test('one largest list after the other is answered', async () => {
  const user = people[2];
  if (user === undefined) throw new Error('there is no such user');
  const client = await environment.open(user);
  for (let asked = 0; asked < 3; asked += 1) {
    const list = { channel_id: 'x', limit: CONVERSATIONS, message_limit: MESSAGES };
    expect(dataOf(await client.ask('channel', list)).conversation).toHaveLength(CONVERSATIONS);
  }
  client.close();
});

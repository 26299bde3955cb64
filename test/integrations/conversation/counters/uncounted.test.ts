import { Types } from 'mongoose';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type RecordedCommand, type Recorder, recordCommands } from '../../../queries/recorder.js';
import { createTestEnvironment, type TestEnvironment, type TestUser } from '../../../support/environment.js';
import { storedMember } from '../stored.js';

const PEOPLE = 120;
const CONVERSATIONS = 3;
/** Users who are counted in one transaction. */
const TOGETHER = 50;

let recorder: Recorder;
let environment: TestEnvironment;
let people: readonly TestUser[];
/** Conversations of all people, as another service stores them: nobody is counted. */
let ids: readonly Types.ObjectId[];

beforeAll(async () => {
  recorder = recordCommands('general-socket');
  environment = await createTestEnvironment();
  people = await environment.people(...Array.from({ length: PEOPLE }, (_, n) => `Person ${n}`));
  const users = people.map(({ id }) => new Types.ObjectId(id));
  const made = Array.from({ length: CONVERSATIONS }, (_, n) => ({
    _id: new Types.ObjectId(),
    account: new Types.ObjectId(people[0]?.accountId),
    users,
    title: `Talk ${n}`,
    channel_id: 'x',
    is_open: true,
    last_activity_at: new Date(1.7e12 + n * 1000),
  }));
  ids = made.map(({ _id }) => _id);
  await environment.models.Conversation.collection.insertMany(made as never[]);
  const members = made.flatMap((one) => users.map((user) => storedMember(one, user)));
  await environment.models.Member.collection.insertMany(members as never[]);
});
afterAll(async () => {
  await environment.close();
  recorder.stop();
});

/** How many users each transaction has counted in full; they follow each other. */
function countedTogether(commands: readonly RecordedCommand[]): number[] {
  const counted = [new Set<string>()];
  for (const { name, command } of commands) {
    const { updates = [] } = command as { updates?: { q: { user?: unknown }; u: { $set?: object } }[] };
    for (const { q, u } of updates) if ('recounted_at' in (u.$set ?? {})) counted.at(-1)?.add(String(q.user));
    if (name === 'commitTransaction') counted.push(new Set());
  }
  return counted.map(({ size }) => size);
}

test('the first message to many users who were never counted counts some of them at a time', async () => {
  const [sender] = people;
  const client = await environment.open(sender as TestUser);
  const before = recorder.commands.length;
  const answer = await client.ask('message', { conversation_id: ids[0], data: 'hello' });
  expect(answer).toMatchObject({ success: true });
  const counted = countedTogether(recorder.commands.slice(before));
  expect(Math.max(...counted)).toBeLessThanOrEqual(TOGETHER);
  const receivers = people.slice(1).map(({ id }) => id);
  expect(counted.reduce((sum, count) => sum + count, 0)).toBe(receivers.length);
  const stored = await environment.models.Counter.find({ channel_id: 'x', user: { $in: receivers } }).lean();
  expect(stored.map(({ open, unread }) => ({ open, unread }))).toEqual(
    receivers.map(() => ({ open: CONVERSATIONS, unread: 1 })),
  );
  client.close();
});

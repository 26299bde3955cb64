import { Types } from 'mongoose';
import { afterAll, beforeAll, expect, onTestFinished, test, vi } from 'vitest';
import { createTestEnvironment, type TestEnvironment } from '../../../support/environment.js';
import { until } from '../../../support/until.js';
import { addChat, members, open, say } from './community.js';

let environment: TestEnvironment;

beforeAll(async () => {
  environment = await createTestEnvironment();
});
afterAll(() => environment.close());

const LONG = 'a word '.repeat(250);

/** Sends a long message to so many who are away. @returns how often a text was cut, and how often ids were compared */
async function countWork(people: number): Promise<{ cuts: number; comparisons: number }> {
  const [ann, ...others] = await members(
    environment,
    Array.from({ length: people + 1 }, (_, n) => `P${n}`),
  );
  if (ann === undefined) throw new Error('there are no members');
  const everybody = [ann, ...others];
  const participantSettings = everybody.map(({ id }) => ({ user: id, isMuted: false }));
  const chatId = await addChat(environment, everybody, { type: 'group', groupName: 'All', participantSettings });
  const client = await open(environment, ann);
  const cuts = vi.spyOn(Intl.Segmenter.prototype, 'segment');
  const comparisons = vi.spyOn(Types.ObjectId.prototype, 'equals');
  onTestFinished(() => void vi.restoreAllMocks());
  const { _id } = await say(client, chatId, LONG);
  const stored = () => environment.models.Notification.countDocuments({ relatedMessage: _id });
  await until(async () => (await stored()) === people);
  const work = { cuts: cuts.mock.calls.length, comparisons: comparisons.mock.calls.length };
  vi.restoreAllMocks();
  const excerpts = await environment.models.Notification.distinct('message', { relatedMessage: _id });
  expect(excerpts).toEqual([LONG.slice(0, 200)]);
  client.close();
  return work;
}

test('what a message costs grows with the participants, and its text is not cut for each of them', async () => {
  const few = await countWork(20);
  const many = await countWork(200);
  expect(many.cuts).toBeLessThanOrEqual(few.cuts + 3);
  expect(many.comparisons).toBeLessThanOrEqual(15 * few.comparisons);
});

test('an edited message costs what it carries to each participant: all who have read it', async () => {
  const env = { EVENT_LIMIT: '20', EVENT_LIMIT_WINDOW_MS: '600000' };
  const small = await createTestEnvironment({ env });
  onTestFinished(() => small.close());
  const everybody = await members(
    small,
    Array.from({ length: 200 }, (_, n) => `P${n}`),
  );
  const [ann] = everybody;
  if (ann === undefined) throw new Error('there are no members');
  const chatId = await addChat(small, everybody, { type: 'group' });
  const messageOf = async (readers: typeof everybody): Promise<string> => {
    const readBy = readers.map(({ id }) => ({ user: new Types.ObjectId(id), readAt: new Date() }));
    const { _id } = await small.models.ChatMessage.create({ chat: chatId, sender: ann.id, content: 'first', readBy });
    return String(_id);
  };
  const client = await open(small, ann);
  const edit = async (messageId: string) => client.ask('chat:edit_message', { messageId, content: 'second' });
  const [unread, read] = [await messageOf([]), await messageOf(everybody)];
  expect(await edit(unread)).toMatchObject({ success: true });
  expect(await edit(read)).toMatchObject({ success: true });
  expect(await edit(unread)).toMatchObject({ success: false, code: 'RATE_LIMITED' });
  client.close();
});

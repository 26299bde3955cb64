import { type Collection, Types } from 'mongoose';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { createTestClock } from '../../../support/clock.js';
import { type Crossing, createCrossing } from '../../../support/crossing.js';
import { createTestEnvironment, dataOf, type TestEnvironment } from '../../../support/environment.js';
import type { Document } from '../../../support/mongo-proxy.js';
import { type ChatKind, chatKinds } from './chats.js';

/* What a conversation stores of its last messages, while nodes and their clocks differ and the database fails. */

const clock = createTestClock();
/** The clock of the second node. More than the difference by which the times of messages follow each other. */
const slowClock = { ...clock, now: () => clock.now() - 180_000 };
let environment: TestEnvironment;
let crossing: Crossing;

beforeAll(async () => {
  environment = await createTestEnvironment({
    nodes: 2,
    proxyOptions: 'directConnection=true',
    nodeOptions: (node) => ({ overrides: { clock: node === 0 ? clock : slowClock } }),
  });
  crossing = createCrossing(environment.proxy());
});
afterAll(() => environment.close());
afterEach(() => {
  environment.proxy().rules = {};
});

/** A conversation of two, each on a node. */
async function createScene(kind: ChatKind) {
  const people = await kind.people(environment, 2);
  const id = await kind.make(environment, people);
  const [a, b] = await Promise.all(people.map((person, node) => kind.open(environment, person, node)));
  if (a === undefined || b === undefined) throw new Error('people are missing');
  const { models } = environment;
  const isSupport = kind.name === 'support';
  const conversations = (isSupport ? models.SupportConversation : models.Chat).collection as Collection;
  const movedAt = isSupport ? 'updatedAt' : 'lastActivity';
  const stored = async () => {
    const found = await conversations.findOne({ _id: new Types.ObjectId(id) });
    const at: unknown = found?.[movedAt];
    return { last: String(found?.['lastMessage']), at: at instanceof Date ? at.toISOString() : undefined };
  };
  /** Makes it one that has not moved for long. */
  const setBack = () => conversations.updateOne({ _id: new Types.ObjectId(id) }, { $set: { [movedAt]: new Date(0) } });
  await setBack();
  const isLastWrite = (command: Document): boolean => command['update'] === conversations.collectionName;
  return { id, a, b, stored, isLastWrite, setBack };
}

test.each(chatKinds)(
  'a conversation of the $name chat moves to the latest time that was sent, also when a message of a slow clock overtakes',
  async (kind) => {
    const { id, a, b, stored, isLastWrite } = await createScene(kind);
    await crossing.storedLast(
      isLastWrite,
      () => kind.say(a, id, { content: 'first' }),
      () => kind.say(b, id, { content: 'second' }),
    );
    const [first] = await a.next(kind.event);
    const [second] = await a.next(kind.event);
    expect([first, second].map((payload) => kind.toKnown(payload).content)).toEqual(['first', 'second']);
    await clock.advanceUntil(1000, async () => (await stored()).at === kind.toKnown(first).at);
    expect((await stored()).last).toBe(kind.toKnown(second).id);
  },
);

test.each(chatKinds)('a message of the $name chat that is stored with its conversation moves it, too', async (kind) => {
  const { id, a, stored, setBack } = await createScene(kind);
  for (const content of ['first', 'second']) dataOf(await kind.say(a, id, { content }));
  const { at } = await stored();
  // As if a message of a slow clock were stored between the two writes of the command.
  await setBack();
  await clock.advanceUntil(1000, async () => (await stored()).at === at);
});

test.each(chatKinds)('the last message of a $name conversation is stored when the database is back', async (kind) => {
  const { id, a, stored, isLastWrite } = await createScene(kind);
  environment.proxy().rules = {
    // The driver does not repeat it.
    onCommand: (command) =>
      isLastWrite(command) ? { ok: 0, code: 50, errmsg: 'operation exceeded time limit' } : undefined,
  };
  const { _id, message } = dataOf(await kind.say(a, id, { content: 'only' }));
  environment.proxy().rules = {};
  await clock.advanceUntil(500, async () => (await stored()).last === (_id ?? message?._id));
});

import { afterAll, beforeAll, expect, test } from 'vitest';
import { addChat, members, open } from '../integrations/chat/community/community.js';
import { talk as talkInSupport } from '../integrations/chat/support/chat.js';
import { openApplication } from '../realtime/delivery/application.js';
import { startEmbeddedDatabase } from '../support/database.js';
import { createTestEnvironment, dataOf, type TestEnvironment } from '../support/environment.js';
import { startReplicaSet, type TestReplicaSet } from '../support/mongo-replica-set.js';

let replicaSet: TestReplicaSet;
let environment: TestEnvironment;

beforeAll(async () => {
  const database = await startEmbeddedDatabase();
  replicaSet = await startReplicaSet(database.url);
  environment = await createTestEnvironment({
    database,
    env: { MONGODB_URL: replicaSet.url, MESSAGE_LIMIT: '100000' },
  });
});
afterAll(async () => {
  await environment.close();
  await replicaSet.close();
});

const numbers = Array.from({ length: 100 }, (_, n) => n);

/** Does all of it at once; the primary steps down after the first answers have come. The last ones begin only then. */
async function duringFailOver<T>(count: number, work: (n: number) => Promise<T>): Promise<T[]> {
  const before = replicaSet.disturbed;
  let answers = 0;
  let begin = (): void => undefined;
  const isSteppingDown = new Promise<void>((resolve) => {
    begin = resolve;
  });
  const results = await Promise.all(
    numbers.slice(0, count).map(async (n) => {
      // Not all in one write.
      for (let turn = 0; turn < n; turn += 1) await new Promise(setImmediate);
      if (n >= count * 0.8) await isSteppingDown;
      const result = await work(n);
      answers += 1;
      if (answers === Math.floor(count / 5)) {
        replicaSet.stepDown();
        begin();
      }
      return result;
    }),
  );
  expect(replicaSet.disturbed, 'the fail-over was noticed').toBeGreaterThan(before);
  return results;
}

test('a hundred durable messages in flight during a fail-over are all acknowledged and stored once', async () => {
  const [node] = environment.nodes;
  if (node === undefined) throw new Error('there is no node');
  for (const round of [1, 2]) {
    const user = `ann-${round}`;
    const answers = await duringFailOver(100, (n) =>
      node.call('POST', `/emit/${user}/m?durable=true`, JSON.stringify(n)),
    );
    expect(answers.map(({ status }) => status)).toEqual(numbers.map(() => 200));
    const phone = await openApplication(node, { user, deviceId: 'phone' });
    await phone.has(100);
    // What is sent now comes after everything that was stored before.
    expect((await node.call('POST', `/emit/${user}/m?durable=true`, '"last"')).status).toBe(200);
    await phone.has(101);
    expect(phone.messages.at(-1)).toBe('last');
    expect(
      phone.messages
        .slice(0, -1)
        .map(Number)
        .sort((a, b) => a - b),
    ).toEqual(numbers);
    phone.close();
  }
});

test('conversation messages during a fail-over are stored and counted once', async () => {
  const [ann, bob] = await environment.people('Ann', 'Bob');
  const [a, b] = [await environment.open(ann), await environment.open(bob)];
  const { conversation } = dataOf(await a.ask('add_conversation', { users: [bob.id], channel_id: 'general' }));
  const conversation_id = conversation._id;
  const answers = await duringFailOver(30, (n) => a.ask('message', { conversation_id, data: `${n}`, UUID: `u-${n}` }));
  expect(new Set(answers.map((answer) => dataOf(answer).message._id)).size).toBe(30);
  expect(await environment.models.Message.countDocuments({ conversation_id })).toBe(30);
  const { conversation: seen } = dataOf(await b.ask('get_conversation_by_id', { conversation_id }));
  expect(seen.unread_count).toBe(30);
});

test('a hundred support and community messages during a fail-over are stored once, in the order of each sender', async () => {
  const { a: agent, conversationId } = await talkInSupport(environment);
  const people = await members(environment, ['Ann', 'Bob']);
  const chatId = await addChat(environment, people);
  const clients = [await open(environment, people[0]), await open(environment, people[1])] as const;
  const answers = await duringFailOver(100, (n) => {
    const message = { content: String(n), clientMessageId: `c-${n}` };
    if (n % 2 === 0) return agent.ask('send_message', { conversationId, ...message });
    // A user may send 30 messages in 10 s.
    return clients[n % 4 === 1 ? 0 : 1].ask('chat:send_message', { chatId, ...message });
  });
  const idOf = new Map(answers.map((answer, n) => [String(n), dataOf(answer)._id]));
  const inSupport = await environment.models.SupportMessage.find({ conversationId }).sort({ position: 1 }).lean();
  const inChat = await environment.models.ChatMessage.find({ chat: chatId }).sort({ position: 1 }).lean();
  const [first, second] = [1, 3].map((rest) => numbers.filter((n) => n % 4 === rest));
  for (const [stored, ...senders] of [
    [inSupport, numbers.filter((n) => n % 2 === 0)],
    [inChat, first, second],
  ] as const) {
    const contents = stored.map(({ content }) => Number(content));
    for (const own of senders) expect(contents.filter((n) => own?.includes(n))).toEqual(own);
    expect(stored.map(({ position }) => position)).toEqual(contents.map((_, index) => index + 1));
    expect(stored.map(({ _id }) => String(_id))).toEqual(stored.map(({ content }) => idOf.get(content)));
    expect(stored).toHaveLength(50);
  }
});

test('reads wait for the new primary', async () => {
  const [ann] = await environment.people('Ann');
  const a = await environment.open(ann);
  const answers = await duringFailOver(20, () => a.ask('list_conversation', {}));
  expect(answers.every(({ success }) => success)).toBe(true);
});

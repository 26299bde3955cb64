import { afterAll, beforeAll, expect, test } from 'vitest';
import type { TestClient } from '../../support/client.js';
import { createTestClock } from '../../support/clock.js';
import { createTestEnvironment, dataOf, type TestEnvironment } from '../../support/environment.js';
import { until } from '../../support/until.js';

const clock = createTestClock();
let environment: TestEnvironment;

beforeAll(async () => {
  environment = await createTestEnvironment({ nodes: 2, overrides: { clock } });
});
afterAll(() => environment.close());

/** Two people in a conversation, each with a socket on both nodes. */
async function talk() {
  const [ann, bob] = await environment.people('Ann', 'Bob');
  const open = (user: typeof ann) => Promise.all([0, 1].map((node) => environment.open(user, { node })));
  const [anns, bobs] = [await open(ann), await open(bob)];
  const made = await anns[0]?.ask('add_conversation', { users: [bob.id], channel_id: 'general' });
  return { ann, bob, anns, bobs, id: dataOf(made).conversation._id as string };
}

const unreadOf = async (client: TestClient | undefined, conversation_id: string): Promise<number> =>
  dataOf(await client?.ask('get_conversation_by_id', { conversation_id })).conversation.unread_count;

test('a UUID sent on two nodes at once is one message', async () => {
  const { anns, bobs, id } = await talk();
  for (let round = 0; round < 20; round += 1) {
    const data = { conversation_id: id, data: `round ${round}`, UUID: `u-${round}` };
    const answers = await Promise.all([...anns, ...anns].map((tab) => tab.ask('message', data)));
    expect(new Set(answers.map((answer) => dataOf(answer).message._id)).size, `round ${round}`).toBe(1);
  }
  await anns[0]?.ask('message', { conversation_id: id, data: 'barrier' });
  for (const bob of bobs) {
    await until(() => bob.received('message').some(([message]) => message.data === 'barrier'));
    expect(bob.received('message')).toHaveLength(21);
  }
  expect(await environment.models.Message.countDocuments({ conversation_id: id })).toBe(21);
  expect(await unreadOf(bobs[0], id)).toBe(21);
});

test('fifty concurrent messages over two nodes are ordered, counted and delivered once', async () => {
  const { anns, bobs, id } = await talk();
  const seenAt: number[] = [];
  let isDone = false;
  const watching = (async () => {
    while (!isDone) {
      const found = await environment.models.Conversation.findById(id, { last_activity_at: 1 }).lean();
      seenAt.push(found?.last_activity_at?.getTime() ?? 0);
    }
  })();
  const answers = await Promise.all(
    Array.from({ length: 50 }, (_, n) => anns[n % 2]?.ask('message', { conversation_id: id, data: String(n) })),
  );
  isDone = true;
  await watching;
  expect(answers.every((answer) => answer.success)).toBe(true);
  expect(seenAt).toEqual([...seenAt].sort((x, y) => x - y));

  const stored = await environment.models.Message.find({ conversation_id: id }).sort({ createdAt: -1, _id: -1 }).lean();
  expect(new Set(stored.map(({ createdAt }) => createdAt?.getTime())).size).toBe(50);
  const conversation = await environment.models.Conversation.findById(id).lean();
  expect([String(conversation?.last_activity), conversation?.last_activity_at]).toEqual([
    String(stored[0]?._id),
    stored[0]?.createdAt,
  ]);
  for (const bob of bobs) {
    await until(() => bob.received('message').length === 50);
    expect(await unreadOf(bob, id)).toBe(50);
    expect(dataOf(await bob.ask('channel', {})).channels).toMatchObject({ you: { unread: 1 }, general: { unread: 1 } });
  }
});

test('concurrent reads and writes leave exactly the unread messages', async () => {
  const { bob, anns, bobs, id } = await talk();
  const ids: string[] = [];
  for (let round = 0; round < 10; round += 1) {
    const [, ...said] = await Promise.all([
      bobs[round % 2]?.ask('read', { conversation_id: id, ...(ids.length > 0 && { message_id: ids.at(-1) }) }),
      ...anns.map((tab, node) => tab.ask('message', { conversation_id: id, data: `${round} ${node}` })),
    ]);
    ids.push(...said.map((answer) => dataOf(answer).message._id));
    const member = await environment.models.Member.findOne({ conversation: id, user: bob.id }).lean();
    const left = await environment.models.Message.countDocuments({
      conversation_id: id,
      createdAt: { $gt: member?.last_read_at ?? new Date(0) },
    });
    expect(member?.unread_count, `round ${round}`).toBe(left);
  }
});

test('a snoozed conversation returns once over both nodes', async () => {
  const { anns, id } = await talk();
  await anns[0]?.ask('snooze', { conversation_id: id, until: new Date(clock.now() + 60_000).toISOString() });
  for (const tab of anns) await tab.next('update_conversation');
  clock.advance(61_000);
  for (const tab of anns) {
    expect((await tab.next('update_conversation'))[0].data.conversation).toMatchObject({
      _id: id,
      snoozed_until: null,
    });
  }
  // Both nodes look again; the second finds nothing.
  clock.advance(5000);
  await anns[0]?.ask('show_on_top', { conversation_id: id });
  for (const tab of anns) {
    expect((await tab.next('update_conversation'))[0].data.conversation.show_on_top).toBe(true);
    expect(tab.received('update_conversation')).toEqual([]);
  }
});

test('both tabs of a user see what one of them does, over nodes', async () => {
  const { ann, anns, bobs, id } = await talk();
  const [here, there] = anns;
  const { message } = dataOf(await here?.ask('message', { conversation_id: id, data: 'hello' }));
  expect(await there?.next('message')).toEqual([message]);
  expect((await bobs[1]?.next('message'))?.[0]).toEqual({ ...message, is_sender: false });
  await bobs[0]?.ask('read', { conversation_id: id });
  expect((await bobs[1]?.next('update_conversation'))?.[0].data.conversation.unread_count).toBe(0);
  expect((await there?.next('read'))?.[0]).toMatchObject({ conversation_id: id, message_id: message._id });
  for (const [event, data] of [
    ['snooze', { until: new Date(clock.now() + 60_000).toISOString() }],
    ['snooze', { until: null }],
    ['archive', {}],
    ['show_on_top', {}],
  ] as const) {
    const { conversation } = dataOf(await here?.ask(event, { conversation_id: id, ...data }));
    expect((await there?.next('update_conversation'))?.[0].data, event).toEqual({ conversation });
  }
  await here?.ask('typing', { conversation_id: id });
  expect((await bobs[1]?.next('typing'))?.[0]).toEqual({ conversation_id: id, user: ann.id, is_typing: true });
  expect([here?.received('typing'), there?.received('typing')]).toEqual([[], []]);
});

test('message pages stay stable while new messages arrive', async () => {
  const { bob: reader, anns, id } = await talk();
  const [bob, otherTab] = [await environment.open(reader), await environment.open(reader)];
  const say = (n: number) => anns[n % 2]?.ask('message', { conversation_id: id, data: String(n) });
  for (let n = 0; n < 60; n += 1) await say(n);
  const expected = await environment.models.Message.find({ conversation_id: id })
    .sort({ createdAt: -1, _id: -1 })
    .lean();
  const found: string[] = [];
  for (let page = 1, isMore = true; isMore; page += 1) {
    const { messageList, paging } = dataOf(await bob.ask('list_message', { conversation_id: id, page, limit: 7 }));
    found.push(...messageList.map(({ _id }: { _id: string }) => _id));
    isMore = paging.has_next;
    // Another tab begins to read, and something new is said.
    await otherTab.ask('list_message', { conversation_id: id, page: 1, limit: 7 });
    await say(100 + page);
  }
  expect(found).toEqual(expected.map(({ _id }) => String(_id)));
});

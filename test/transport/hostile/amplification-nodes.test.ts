import { Types } from 'mongoose';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { addChat, members, open } from '../../integrations/chat/community/community.js';
import type { TestClient } from '../../support/client.js';
import { createTestEnvironment, dataOf, type TestEnvironment } from '../../support/environment.js';
import { until } from '../../support/until.js';

/** The default of `EVENT_LIMIT`, and the work that it pays for. */
const EVENT_LIMIT = 300;
const UNITS_MAX = 100 * EVENT_LIMIT;

let environment: TestEnvironment;

beforeAll(async () => {
  environment = await createTestEnvironment({
    nodes: 2,
    // One window, however slow the machine is.
    env: { EVENT_LIMIT: String(EVENT_LIMIT), EVENT_LIMIT_WINDOW_MS: '86400000' },
  });
});
afterAll(() => environment.close());

/** The group and status events of users that a client gets, in order. */
function watch({ socket }: TestClient) {
  const seen: { event: string; userId: string; status?: string }[] = [];
  socket.onAny((event: string, data: { userId: string; status?: string }) => {
    if (/^(group|presence):/.test(event)) seen.push({ ...data, event });
  });
  return seen;
}

test('members on two nodes get few changes of a user on both, and the stored state last', async () => {
  const groups = { joinedGroups: [{ groupType: 'healing' }] };
  const [mallory, ann, bob, eve] = await members(environment, ['Mallory', 'Ann', 'Bob', 'Eve'], groups);
  const tabs = [await open(environment, mallory), await open(environment, mallory, { node: 1 })] as const;
  const listeners = [await open(environment, ann), await open(environment, bob, { node: 1 })];
  const witness = await open(environment, eve);
  const views = listeners.map(watch);
  const own = tabs.map(watch);
  const ofMallory = (view: ReturnType<typeof watch>, kind: 'group' | 'presence') =>
    view.filter(({ event, userId }) => userId === mallory.id && event.startsWith(kind));

  const beganAt = Date.now();
  const random = createRandom(11);
  for (let n = 0; n < 60; n += 1) {
    const tab = tabs[random() < 0.5 ? 0 : 1];
    await tab.ask(random() < 0.5 ? 'group:join' : 'group:leave', { groupType: 'healing' });
    if (n % 4 > 0) continue;
    await tab.ask('presence:update_status', { status: ['away', 'busy', 'online'][Math.floor(3 * random())] });
  }
  // What is due on both nodes is sent within a second.
  const user = await environment.models.User.findById(mallory.id).lean();
  await until(() => views.every((view) => ofMallory(view, 'presence').at(-1)?.status === user?.presenceStatus));

  // A socket in the group gets the events of others there.
  dataOf(await witness.ask('group:join', { groupType: 'healing' }));
  await until(() =>
    views.every((view) => view.some(({ event, userId }) => event.startsWith('group') && userId === eve.id)),
  );
  await Promise.all(tabs.map((tab) => tab.ask('presence:get_online', { userIds: [ann.id] })));
  const isThere = own.some((view) => view.some(({ userId }) => userId === eve.id));
  const expected = isThere ? 'group:user_joined' : 'group:user_left';
  await until(() => views.every((view) => ofMallory(view, 'group').at(-1)?.event === expected));

  const windows = Math.ceil((Date.now() - beganAt) / 1000) + 1;
  for (const view of views) {
    for (const kind of ['group', 'presence'] as const) {
      // One in each window of each node.
      expect(ofMallory(view, kind).length).toBeLessThanOrEqual(2 * windows);
    }
  }
});

test('a user on two nodes has one budget', async () => {
  const [mallory] = await members(environment, ['Mallory']);
  const people = Array.from({ length: 599 }, () => ({ id: String(new Types.ObjectId()), name: '' }));
  const chatId = await addChat(environment, [mallory, ...people]);
  const tabs = [await open(environment, mallory), await open(environment, mallory, { node: 1 })];
  let accepted = 0;
  for (let round = 0; round < 40; round += 1) {
    for (const tab of tabs) {
      if ((await tab.ask('chat:typing_start', { chatId })).success) accepted += 1;
      await tab.ask('chat:typing_stop', { chatId });
    }
  }
  expect(accepted).toBeGreaterThan(10);
  // The start and the end.
  expect(2 * 600 * accepted).toBeLessThanOrEqual(UNITS_MAX + 2 * 600);
});

/** Numbers from 0 to 1, the same for the same seed. */
function createRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 1_103_515_245 + 12_345) % 2 ** 31;
    return state / 2 ** 31;
  };
}

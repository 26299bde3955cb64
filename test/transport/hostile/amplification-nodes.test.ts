import { Types } from 'mongoose';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { addChat, members, open } from '../../integrations/chat/community/community.js';
import { addConversation, addDepartment, openChat, openDepartment } from '../../integrations/chat/support/chat.js';
import { storedMember } from '../../integrations/conversation/stored.js';
import { accessesOf } from '../../integrations/query-plans.js';
import type { TestClient } from '../../support/client.js';
import { createTestEnvironment, dataOf, type TestEnvironment, type TestUser } from '../../support/environment.js';
import { createRandom } from '../../support/random.js';
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
    const tab = random.pick(tabs);
    await tab.ask(random.chance(0.5) ? 'group:join' : 'group:leave', { groupType: 'healing' });
    if (n % 4 > 0) continue;
    await tab.ask('presence:update_status', { status: random.pick(['away', 'busy', 'online']) });
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

test('a support conversation of 600 participants gets a bounded number of typing events from a user on two nodes', async () => {
  const SIZE = 600;
  const [mallory, bob] = await environment.people('Mallory', 'Bob');
  const absent = await addUsers(mallory, SIZE - 2);
  const conversationId = await addConversation(environment, [mallory, bob, ...absent]);
  const tabs = [await openChat(environment, mallory), await openChat(environment, mallory, { node: 1 })];
  const listener = await openChat(environment, bob, { node: 1 });
  let accepted = 0;
  for (let round = 0; round < 40; round += 1) {
    for (const tab of tabs) {
      if ((await tab.ask('typing_start', { conversationId })).success) accepted += 1;
      await tab.ask('typing_stop', { conversationId });
    }
  }
  expect(accepted).toBeGreaterThan(10);
  const ended = () => listener.received('user_stopped_typing').length;
  await until(() => ended() === accepted);
  expect((listener.received('user_typing').length + ended()) * SIZE).toBeLessThanOrEqual(UNITS_MAX + 2 * SIZE);
});

describe('a search is paid for by what it reads', () => {
  /** Conversations, and users in each, of whom none is in two. */
  const [CONVERSATIONS, SIZE] = [30, 60];
  /** Documents that a unit of work may read: a search reads a conversation up to six times. */
  const PER_UNIT = 6;
  let ann: TestUser;
  let groups: TestUser[][];

  beforeAll(async () => {
    [ann] = await environment.people('Ann');
    const others = await addUsers(ann, CONVERSATIONS * SIZE);
    groups = Array.from({ length: CONVERSATIONS }, (_, n) => others.slice(n * SIZE, (n + 1) * SIZE));
  });

  /** A socket of which nothing is under way. */
  const openTab = async (): Promise<TestClient> => {
    const tab = await openChat(environment, ann);
    await tab.next('presence_snapshot');
    return tab;
  };

  /** The documents that one call reads in the database, and the points that it costs. */
  const measure = async (tab: TestClient, event: string, data: object) => {
    const before = await pointsOf(ann);
    const accesses = await accessesOf(environment.connection, async () => dataOf(await tab.ask(event, data)));
    const documents = accesses
      .filter(({ collection }) => !/^(delivery|sockets)/.test(collection))
      .reduce((sum, { documentsExamined }) => sum + documentsExamined, 0);
    return { documents, points: (await pointsOf(ann)) - before };
  };
  const expectPaid = async (tab: TestClient, event: string, data: object): Promise<void> => {
    const { documents, points } = await measure(tab, event, data);
    expect(documents).toBeGreaterThan(600);
    expect(documents).toBeLessThanOrEqual(PER_UNIT * 100 * points);
  };

  test('conversations, by the names of participants', async () => {
    const account = new Types.ObjectId(ann.accountId);
    const conversations = groups.map((some) => ({
      _id: new Types.ObjectId(),
      account,
      users: toIds([ann, ...some]),
      title: 'Talk',
      image: [],
      channel_id: 'general',
      created_by: new Types.ObjectId(ann.id),
      is_open: true,
      last_activity: null,
      last_activity_at: new Date(),
      createdAt: new Date(),
      updatedAt: new Date(),
    }));
    await environment.models.Conversation.collection.insertMany(conversations as never[]);
    const user = new Types.ObjectId(ann.id);
    const own = conversations.map((made) => ({ ...storedMember(made, user), search_key: 'talk' }));
    await environment.models.Member.collection.insertMany(own as never[]);
    const tab = await environment.open(ann, { node: 1 });
    await expectPaid(tab, 'conversation_filter', { search: 'no user has this name', limit: 1 });
  });

  test('support conversations, by status', async () => {
    for (const some of groups) await addConversation(environment, [ann, ...some]);
    const tab = await openTab();
    await expectPaid(tab, 'get_conversations', { status: 'open', limit: 100 });
  });

  test('users of the community, by their ids', async () => {
    const [asked = []] = groups;
    const chats = Array.from({ length: 700 }, (_, n) => ({
      _id: new Types.ObjectId(),
      type: 'group',
      participants: toIds([ann, ...asked.slice(n % SIZE, (n % SIZE) + 1)]),
      participantSettings: [],
      lastActivity: new Date(),
    }));
    await environment.models.Chat.collection.insertMany(chats as never[]);
    const tab = await openTab();
    await expectPaid(tab, 'presence:get_online', { userIds: asked.map(({ id }) => id) });
  });
});

test('an agent who joins and leaves a department pays for each snapshot, and its agents are told of few changes', async () => {
  const SIZE = 1500;
  const CONNECTS = 10;
  /** The default of `PRESENCE_GRACE_MS`: a user who comes back within it was not away. */
  const GRACE_MS = 5000;
  const [mallory, bob, eve] = await environment.people('Mallory', 'Bob', 'Eve');
  const departmentId = await addDepartment(environment, mallory, bob, eve, ...(await addUsers(mallory, SIZE - 3)));
  const listener = await openDepartment(environment, bob, { departmentId });
  const beganAt = Date.now();
  for (let n = 0; n < CONNECTS; n += 1) {
    const tab = await openDepartment(environment, mallory, { departmentId, node: n % 2 });
    await tab.next('presence_snapshot');
    tab.close();
  }
  // Fractions of a point are free.
  expect(await pointsOf(mallory)).toBeGreaterThanOrEqual(CONNECTS * Math.floor(SIZE / 500));
  // What was sent before has come.
  await openDepartment(environment, eve, { departmentId, node: 1 });
  const onlineOf = ({ id }: TestUser) => listener.received('agent_online').filter(([{ userId }]) => userId === id);
  await until(() => onlineOf(eve).length > 0);
  const windows = Math.ceil((Date.now() - beganAt) / GRACE_MS);
  expect(onlineOf(mallory).length).toBeLessThanOrEqual(windows);
  listener.close();
});

const toIds = (users: readonly TestUser[]): Types.ObjectId[] => users.map(({ id }) => new Types.ObjectId(id));

/** Stores colleagues of a user. */
async function addUsers({ accountId }: TestUser, count: number): Promise<TestUser[]> {
  const users = Array.from({ length: count }, (_, n) => ({ _id: new Types.ObjectId(), name: `Colleague ${n}` }));
  const account = new Types.ObjectId(accountId);
  await environment.models.User.collection.insertMany(users.map((user) => ({ ...user, account })) as never[]);
  return users.map(({ _id, name }) => ({ id: String(_id), accountId, name }));
}

/** The points that a user has used, as counted for both nodes. */
async function pointsOf({ id }: TestUser): Promise<number> {
  const script = "return redis.call('GET', redis.call('KEYS', ARGV[1])[1] or '')";
  return Number((await environment.redis().command('EVAL', script, '0', `*limit:events:*user:${id}`)) ?? 0);
}

import { Types } from 'mongoose';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { addChat, type Member, members, open } from '../../integrations/chat/community/community.js';
import type { TestClient } from '../../support/client.js';
import { createTestClock } from '../../support/clock.js';
import { createTestEnvironment, dataOf, type TestEnvironment } from '../../support/environment.js';
import { until } from '../../support/until.js';
import { enterRaw, type RawConnection } from './raw-connection.js';

/** The default of `EVENT_LIMIT`, and the work that it pays for. */
const EVENT_LIMIT = 300;
const UNITS_MAX = 100 * EVENT_LIMIT;

const clock = createTestClock();
let environment: TestEnvironment;

beforeAll(async () => {
  environment = await createTestEnvironment({
    overrides: { clock },
    // One window, however slow the machine is.
    env: { EVENT_LIMIT: String(EVENT_LIMIT), EVENT_LIMIT_WINDOW_MS: '86400000', ADDRESS_CONNECTIONS_MAX: '2000' },
  });
});
afterAll(() => environment.close());

/** A connection that answers pings, so that it lasts however slow the machine is. */
async function enter({ id }: Member): Promise<RawConnection> {
  const claims = { uid: undefined, userId: id, account_id: '' };
  const connection = await enterRaw(environment.node(0), { namespace: '/', claims });
  connection.socket.on('message', (data) => {
    if (String(data) === '2') connection.send('3');
  });
  return connection;
}

/** The group and status events of one user that one connection gets, in order. */
function watch({ socket }: RawConnection, userId: string) {
  const seen: { event: string; status?: string }[] = [];
  socket.on('message', (data) => {
    const text = String(data);
    if (!/^42\["(group|presence):/.test(text) || !text.includes(userId)) return;
    const [event, { status }] = JSON.parse(text.slice(2)) as [string, { status?: string }];
    seen.push(status === undefined ? { event } : { event, status });
  });
  return seen;
}

describe('a group of 600 connections', () => {
  const TABS = 10;
  const groups = { joinedGroups: [{ groupType: 'single' }] };
  const moves = ['group:user_joined', 'group:user_left'];
  const connections: RawConnection[] = [];
  let witness: TestClient;
  let witnessId: string;

  beforeAll(async () => {
    const names = Array.from({ length: 60 }, (_, n) => `Member ${n}`);
    const all: Member[] = await members(environment, names, groups);
    for (let tab = 0; tab < TABS; tab += 1) connections.push(...(await Promise.all(all.map(enter))));
    const [one] = await members(environment, ['Witness'], groups);
    witness = await open(environment, one);
    witnessId = one.id;
  });
  afterAll(() => {
    for (const connection of connections) connection.close();
  });

  /** Resolves when everything that was sent to the group before has come. */
  const settle = async (views: readonly { event: string }[][]): Promise<void> => {
    const barriers = connections.map((connection) => watch(connection, witnessId));
    dataOf(await witness.ask('group:join', { groupType: 'single' }));
    await until(() => barriers.every(({ length }) => length > 0));
    expect(views).toHaveLength(connections.length);
    clock.advance(1000);
  };

  test('gets few events of a member who joins, leaves and changes status all the time, and the last state', async () => {
    const [mallory] = await members(environment, ['Mallory'], groups);
    const attacker = await open(environment, mallory);
    clock.advance(1000);
    const views = connections.map((connection) => watch(connection, mallory.id));
    // What the limits of these events allow in their windows.
    const SECONDS = 10;
    let accepted = 0;
    const statuses = ['away', 'busy', 'online'];
    for (let second = 0; second < SECONDS; second += 1) {
      const calls = [0, 1, 2, 3, 4].map((n) =>
        attacker.ask((second + n) % 2 === 0 ? 'group:join' : 'group:leave', { groupType: 'single' }),
      );
      for (const n of [0, 1]) {
        calls.push(attacker.ask('presence:update_status', { status: statuses[(2 * second + n) % statuses.length] }));
      }
      accepted += (await Promise.all(calls)).filter(({ success }) => success).length;
      clock.advance(1000);
    }
    expect(accepted).toBeGreaterThan(SECONDS);

    const user = await environment.models.User.findById(mallory.id).lean();
    // Whether the attacker's socket is in the group: it is notified of others there.
    attacker.socket.removeAllListeners('group:user_joined');
    const isCurrent = (view: readonly { event: string; status?: string }[]): boolean =>
      view.findLast(({ event }) => !moves.includes(event))?.status === user?.presenceStatus;
    await clock.advanceUntil(1000, () => views.every(isCurrent));
    await settle(views);
    const isInGroup = attacker.received('group:user_joined').some(([{ userId }]) => userId === witnessId);
    const last = isInGroup ? 'group:user_joined' : 'group:user_left';
    expect(new Set(views.map((view) => view.findLast(({ event }) => moves.includes(event))?.event))).toEqual(
      new Set([last]),
    );

    const frames = views.map(({ length }) => length);
    // One each second of each of the two kinds, and the first.
    expect(Math.max(...frames)).toBeLessThanOrEqual(2 * (SECONDS + 1));
    expect(frames.reduce((sum, count) => sum + count, 0)).toBeLessThanOrEqual(UNITS_MAX);
    attacker.close();
  });

  test('gets two events of each kind of a member who sends all of it at once, and the last state', async () => {
    const [mallory] = await members(environment, ['Mallory'], groups);
    const attacker = await open(environment, mallory);
    clock.advance(1000);
    const views = connections.map((connection) => watch(connection, mallory.id));
    const calls = Array.from({ length: 50 }, (_, n) =>
      attacker.ask(n % 2 === 0 ? 'group:leave' : 'group:join', { groupType: 'single' }),
    );
    for (let n = 0; n < 20; n += 1) {
      calls.push(attacker.ask('presence:update_status', { status: n % 2 === 0 ? 'busy' : 'away' }));
    }
    const answers = await Promise.all(calls);
    expect(answers.filter(({ success }) => success)).toHaveLength(70);
    clock.advance(1000);
    const { presenceStatus } = (await environment.models.User.findById(mallory.id).lean()) ?? {};
    await until(() =>
      views.every((view) => view.findLast(({ status }) => status !== undefined)?.status === presenceStatus),
    );
    await settle(views);
    const ends = views.map((view) => view.findLast(({ event }) => moves.includes(event))?.event);
    expect(new Set(ends)).toEqual(new Set(['group:user_joined']));
    expect(Math.max(...views.map(({ length }) => length))).toBeLessThanOrEqual(4);
    attacker.close();
  });
});

describe('a chat of 600 participants', () => {
  const SIZE = 600;
  const absent = Array.from({ length: SIZE - 3 }, () => ({ id: String(new Types.ObjectId()), name: '' }));
  type Calls = readonly (readonly [string, object])[];

  /** Sends until everything is refused, for ten seconds. */
  const exhaust = async (attacker: TestClient, calls: Calls): Promise<number> => {
    let accepted = 0;
    for (let round = 0; round < 150; round += 1) {
      const before = accepted;
      for (const [event, data] of calls) if ((await attacker.ask(event, data)).success) accepted += 1;
      if (accepted === before) break;
      if (round % 15 === 14) clock.advance(1000);
    }
    clock.advance(1000);
    return accepted;
  };

  test.each<[string, (ids: { chatId: string; messageId: string }) => Calls]>([
    [
      'typing',
      ({ chatId }) => [
        ['chat:typing_start', { chatId }],
        ['chat:typing_stop', { chatId }],
      ],
    ],
    [
      'joining and leaving',
      ({ chatId }) => [
        ['chat:join', { chatId }],
        ['chat:leave', { chatId }],
      ],
    ],
    ['messages', ({ chatId }) => [['chat:send_message', { chatId, content: 'x' }]]],
    ['edits', ({ messageId }) => [['chat:edit_message', { messageId, content: 'x' }]]],
    ['reactions', ({ messageId }) => [['chat:add_reaction', { messageId, emoji: '👍' }]]],
    [
      'pins',
      ({ messageId }) => [
        ['chat:pin_message', { messageId }],
        ['chat:unpin_message', { messageId }],
      ],
    ],
  ])('is sent a bounded number of events by %s', async (_name, toCalls) => {
    const [mallory, bob, eve] = await members(environment, ['Mallory', 'Bob', 'Eve']);
    const attacker = await open(environment, mallory);
    const listener = await open(environment, bob);
    const speaker = await open(environment, eve);
    const chatId = await addChat(environment, [mallory, bob, eve, ...absent]);
    const { _id } = await environment.models.ChatMessage.create({ chat: chatId, sender: mallory.id, content: 'x' });
    let frames = 0;
    listener.socket.onAny((event: string) => {
      if (event.startsWith('chat:')) frames += 1;
    });
    const accepted = await exhaust(attacker, toCalls({ chatId, messageId: String(_id) }));
    expect(accepted).toBeGreaterThan(1);
    // Everything before has come, and events that are due later are few.
    dataOf(await speaker.ask('chat:send_message', { chatId, content: 'the end' }));
    while ((await listener.next('chat:new_message'))[0].message.content !== 'the end');
    expect(frames).toBeGreaterThan(1);
    expect(frames * SIZE).toBeLessThanOrEqual(UNITS_MAX + 2 * SIZE);
    for (const client of [attacker, listener, speaker]) client.close();
  });
});

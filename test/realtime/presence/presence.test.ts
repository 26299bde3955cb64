import { randomUUID } from 'node:crypto';
import { pino } from 'pino';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { connectRedis, type Redis } from '../../../src/platform/redis/connect.js';
import { systemClock } from '../../../src/platform/time/clock.js';
import type { PresenceEntry, PresenceStore } from '../../../src/realtime/presence/index.js';
import { createMemoryPresence } from '../../../src/realtime/presence/memory.js';
import { createRedisPresence } from '../../../src/realtime/presence/redis.js';
import { createTestClock } from '../../support/clock.js';
import { startRedis, type TestRedis } from '../../support/redis-server.js';
import { until } from '../../support/until.js';

/** A version of the store under test. */
interface Subject {
  store: PresenceStore;
  /** Sees to it that grace times which have begun are over; their reports may still be on their way. */
  endGrace(): void;
  dispose(): Promise<void>;
}

const GRACE_MS = 100;
let server: TestRedis;
let redis: Redis;

beforeAll(async () => {
  server = await startRedis();
  redis = await connectRedis({
    url: server.url,
    prefix: 'test',
    startupTimeoutMs: 120_000,
    logger: pino({ enabled: false }),
  });
});
afterAll(async () => {
  await redis.close();
  await server.dispose();
});

function createMemorySubject(): Subject {
  const clock = createTestClock();
  const store = createMemoryPresence({ clock, graceMs: GRACE_MS });
  return { store, endGrace: () => clock.advance(GRACE_MS), dispose: () => store.stop() };
}

function createRedisSubject(): Subject {
  const store = createRedisPresence({
    redis,
    clock: systemClock,
    logger: pino({ enabled: false }),
    nodeId: randomUUID(),
    keyPrefix: `${randomUUID()}:`,
    graceMs: GRACE_MS,
    leaseMs: 3_000,
  });
  return { store, endGrace: () => undefined, dispose: () => store.stop() };
}

let sockets = 0;
const socketOf = (userId: string, changes: Partial<PresenceEntry> = {}): PresenceEntry => {
  sockets += 1;
  return {
    userId,
    socketId: `socket-${sockets}`,
    accountId: `account of ${userId}`,
    connectedAt: 1_000 + sockets,
    ...changes,
  };
};

describe.each([
  ['memory', createMemorySubject],
  ['Redis', createRedisSubject],
])('presence in %s', (_, create) => {
  let subject: Subject;
  let store: PresenceStore;
  let offline: { userId: string; accountId: string }[];

  beforeEach(async () => {
    subject = create();
    store = subject.store;
    offline = [];
    const unexpected = (): never => expect.unreachable();
    await store.start({
      online: unexpected,
      offline: ({ userId, accountId }) => offline.push({ userId, accountId }),
      lost: unexpected,
      restored: unexpected,
    });
  });
  afterEach(() => subject.dispose());

  test('has no users at first', async () => {
    expect(await store.get(['ann'])).toEqual([{ userId: 'ann', online: false, connections: 0, since: null }]);
    expect(await store.get([])).toEqual([]);
  });

  test('distinguishes the first socket from the second, and the last from the one before', async () => {
    const [one, two] = [socketOf('ann'), socketOf('ann')];
    expect(await store.add(one)).toEqual({ isFirst: true, at: expect.any(Number) });
    expect(await store.add(two)).toEqual({ isFirst: false });
    expect(await store.remove(one)).toEqual({ isLast: false });
    expect(await store.remove(two)).toEqual({ isLast: true });
  });

  test('counts a user as present until the offline event', async () => {
    const one = socketOf('ann');
    expect(await store.presentAmong(['ann', 'bob'])).toEqual(new Set());
    await store.add(one);
    expect(await store.presentAmong(['ann', 'bob'])).toEqual(new Set(['ann']));
    await store.remove(one);
    if (offline.length === 0) expect(await store.presentAmong(['ann', 'bob'])).toEqual(new Set(['ann']));
    subject.endGrace();
    await until(() => offline.length > 0);
    expect(await store.presentAmong(['ann', 'bob'])).toEqual(new Set());
  });

  test('answers in the order asked, with the number of sockets and the oldest', async () => {
    await store.add(socketOf('ann', { connectedAt: 1_700_000_000_123 }));
    await store.add(socketOf('ann', { connectedAt: 1_600_000_000_456 }));
    await store.add(socketOf('bob', { connectedAt: 1_650_000_000_789 }));
    expect(await store.get(['bob', 'unknown-user', 'ann', 'bob'])).toEqual([
      { userId: 'bob', online: true, connections: 1, since: 1_650_000_000_789 },
      { userId: 'unknown-user', online: false, connections: 0, since: null },
      { userId: 'ann', online: true, connections: 2, since: 1_600_000_000_456 },
      { userId: 'bob', online: true, connections: 1, since: 1_650_000_000_789 },
    ]);
  });

  test('knows whether any socket is registered', async () => {
    expect(await store.hasSockets()).toBe(false);
    const sockets = [socketOf('ann'), socketOf('ann'), socketOf('bob')];
    for (const socket of sockets) {
      await store.add(socket);
      expect(await store.hasSockets()).toBe(true);
    }
    for (const socket of sockets) {
      expect(await store.hasSockets()).toBe(true);
      await store.remove(socket);
    }
    expect(await store.hasSockets()).toBe(false);
  });

  test('knows where the sockets of a user are, each place once', async () => {
    const phone = { namespace: '/v1/shared', deviceId: 'phone' };
    const odd = { namespace: '/a,b', deviceId: 'ключ: 🔑, %2C' };
    const nameless = { namespace: '/', deviceId: '' };
    const leaving = socketOf('ann', { place: nameless });
    const placed = [phone, phone, odd].map((place) => socketOf('ann', { place, accountId: 'a:b' }));
    const unplaced = socketOf('ann');
    await Promise.all([...placed, leaving, unplaced, socketOf('bob', { place: phone })].map(store.add));
    const placesOf = async () => new Set(await store.placesOf('ann'));
    expect(await placesOf()).toEqual(new Set([phone, odd, nameless]));
    await store.remove(leaving);
    expect(await placesOf()).toEqual(new Set([phone, odd]));
    expect(await store.placesOf('unknown-user')).toEqual([]);
    const { sockets: own, total } = await store.socketsOf('ann', { limit: 100 });
    const [node] = await store.nodes();
    expect(new Set(own.map((socket) => JSON.stringify(socket)))).toEqual(
      new Set(
        [...placed, unplaced].map(({ socketId, connectedAt, place }) =>
          JSON.stringify({ node, socketId, connectedAt, place }),
        ),
      ),
    );
    expect(total).toBe(4);
    const byId = own.map(({ socketId }) => socketId);
    expect(byId).toEqual([...byId].sort());
    for (const limit of [1, 2, 4]) {
      for (const after of [undefined, ...byId]) {
        const page = await store.socketsOf('ann', { after, limit });
        const rest = own.filter(({ socketId }) => socketId > (after ?? ''));
        expect(page).toEqual({ total: 4, sockets: rest.slice(0, limit) });
      }
    }
    expect(await store.socketsOf('unknown-user', { limit: 1 })).toEqual({ total: 0, sockets: [] });
  });

  test('answers for more users than fit into one question', async () => {
    const userIds = Array.from({ length: 501 }, (_, i) => `user-${i}`);
    await Promise.all(userIds.map((userId) => store.add(socketOf(userId))));
    const answer = await store.get(userIds);
    expect(answer.map(({ userId }) => userId)).toEqual(userIds);
    expect(answer.every(({ connections }) => connections === 1)).toBe(true);
  });

  test('reports a user who stays away, once, with the account', async () => {
    const socket = socketOf('ann');
    await store.add(socket);
    await store.remove(socket);
    expect((await store.get(['ann']))[0]).toMatchObject({ online: false, since: null });
    subject.endGrace();
    await until(() => offline.length > 0);
    // A second user is the barrier: whatever was due before them has been reported by then.
    const other = socketOf('bob');
    await store.add(other);
    await store.remove(other);
    subject.endGrace();
    await until(() => offline.some(({ userId }) => userId === 'bob'));
    expect(offline).toEqual([
      { userId: 'ann', accountId: 'account of ann' },
      { userId: 'bob', accountId: 'account of bob' },
    ]);
  });

  test('takes a return within the grace time for no event', async () => {
    const socket = socketOf('ann');
    await store.add(socket);
    await store.remove(socket);
    expect(await store.add(socketOf('ann'))).toEqual({ isFirst: false });
    const other = socketOf('bob');
    await store.add(other);
    await store.remove(other);
    subject.endGrace();
    await until(() => offline.length > 0);
    expect(offline).toEqual([{ userId: 'bob', accountId: 'account of bob' }]);
  });

  test('begins anew after the grace time', async () => {
    const socket = socketOf('ann');
    await store.add(socket);
    await store.remove(socket);
    subject.endGrace();
    await until(() => offline.length > 0);
    expect(await store.add(socketOf('ann'))).toEqual({ isFirst: true, at: expect.any(Number) });
  });

  test('ignores a socket it does not know, and one removed twice', async () => {
    const socket = socketOf('ann');
    expect(await store.remove(socket)).toEqual({ isLast: false });
    await store.add(socket);
    expect(await store.remove(socket)).toEqual({ isLast: true });
    expect(await store.remove(socket)).toEqual({ isLast: false });
  });

  test('counts a socket that is added twice once', async () => {
    const socket = socketOf('ann');
    await store.add(socket);
    expect(await store.add(socket)).toEqual({ isFirst: false });
    expect((await store.get(['ann']))[0]?.connections).toBe(1);
    expect(await store.remove(socket)).toEqual({ isLast: true });
  });

  test('keeps the order of a concurrent addition and removal', async () => {
    const entries = Array.from({ length: 100 }, (_, i) => socketOf(`user-${i}`));
    await Promise.all(entries.flatMap((entry) => [store.add(entry), store.remove(entry)]));
    const answer = await store.get(entries.map(({ userId }) => userId));
    expect(answer.filter(({ online }) => online)).toEqual([]);
  });

  test('reports one first and one last among concurrent sockets', async () => {
    const entries = Array.from({ length: 50 }, () => socketOf('ann'));
    const added = await Promise.all(entries.map((entry) => store.add(entry)));
    expect(added.filter(({ isFirst }) => isFirst)).toHaveLength(1);
    expect((await store.get(['ann']))[0]?.connections).toBe(50);
    const removed = await Promise.all(entries.map((entry) => store.remove(entry)));
    expect(removed.filter(({ isLast }) => isLast)).toHaveLength(1);
  });

  test.each(['a:b', 'a b', '*', '{a}', '__proto__', 'ключ 🔑', '"', "\\'; return 1", 'a\nb', '%d', ' '])(
    'takes the user id %j as it is',
    async (userId) => {
      const place = { namespace: `/${userId}`, deviceId: userId };
      const socket = socketOf(userId, { accountId: `account:${userId}`, place });
      expect(await store.add(socket)).toEqual({ isFirst: true, at: expect.any(Number) });
      expect((await store.get([userId]))[0]).toMatchObject({ userId, connections: 1 });
      expect(await store.placesOf(userId)).toEqual([place]);
      expect(await store.remove(socket)).toEqual({ isLast: true });
      subject.endGrace();
      await until(() => offline.length > 0);
      expect(offline).toEqual([{ userId, accountId: `account:${userId}` }]);
    },
  );
});

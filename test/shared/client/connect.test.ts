import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { systemClock } from '#shared/client/clock.js';
import { eventsOf } from '#shared/client/index.js';
import { createMovableClock } from '../../../src/testing/clock.js';
import { createTestClock } from '../../support/clock.js';
import { startDatabase, type TestDatabase } from '../../support/database.js';
import { signToken, startGateway, type TestGateway } from '../../support/gateway.js';
import { startRedis, type TestRedis } from '../../support/redis-server.js';
import { until } from '../../support/until.js';
import { createStorage, newUser, openClient, openRoad } from './environment.js';

let redis: TestRedis;
let database: TestDatabase;
let a: TestGateway;
let b: TestGateway;

beforeAll(async () => {
  [redis, database] = await Promise.all([startRedis(), startDatabase()]);
  const env = { REDIS_URL: redis.url, MONGODB_URL: database.url, EVENT_LIMIT: '100000' };
  [a, b] = await Promise.all([startGateway(env), startGateway(env)]);
});
afterAll(async () => {
  await Promise.all([a.close(), b.close()]);
  await Promise.all([redis.dispose(), database.stop()]);
});

const namespace = '/v1/shared';
const events = eventsOf<{ m: [number] }>();

const emit = async (user: string, payload: unknown, event = 'm'): Promise<string> => {
  const { status, json } = await a.call('POST', `/emit/${user}/${event}?durable=true`, JSON.stringify(payload));
  expect(status).toBe(200);
  return json.data.id;
};
const stateOf = async (id: string): Promise<string> => (await b.call('GET', `/emit/${id}`)).json.data.state;

describe('events', () => {
  test('emit resolves with the data of the answer', async () => {
    const { client } = openClient({ url: a.url, namespace: '/v1/conversation', ...newUser() });
    expect(await client.emit('join')).toBeUndefined();
    const { conversation, paging } = await client.emit('list_conversation', { limit: 5 });
    expect([conversation, paging]).toEqual([[], { page: 1, limit: 5, total: 0, has_next: false }]);
  });

  test('emit rejects with code, fields and whether a retry can help', async () => {
    const { client } = openClient({ url: a.url, namespace: '/v1/conversation', ...newUser() });
    const wrong = client.emit('typing', { conversation_id: 'x' });
    await expect(wrong).rejects.toMatchObject({
      code: 'VALIDATION_ERROR',
      retryable: false,
      details: [{ path: 'conversation_id', message: 'must be an id' }],
      message: 'VALIDATION_ERROR: conversation_id must be an id',
    });
  });

  test('emit waits for the connection, and rejects when there is none within the time limit', async () => {
    const road = await openRoad(a);
    await road.cut();
    const { client } = openClient({ url: road.url, namespace, ...newUser(), timeoutMs: 300 });
    await expect(client.emit('join')).rejects.toMatchObject({ code: 'OFFLINE', retryable: true });
    await road.leadTo(b);
    const { client: patient } = openClient({ url: road.url, namespace, ...newUser() });
    await expect(patient.emit('join')).resolves.toBeUndefined();
  });

  test('a closed client sends nothing', async () => {
    const { client, is } = openClient({ url: a.url, namespace, ...newUser() });
    await is('online');
    client.close();
    await expect(client.emit('join')).rejects.toMatchObject({ code: 'CLOSED', retryable: false });
    expect(client.status).toMatchObject({ state: 'offline', reason: { code: 'CLOSED' } });
  });
});

describe('durable messages', () => {
  test('reach one handler, from the batch and live, and are acknowledged', async () => {
    const user = newUser();
    const ids = [await emit(user.uid, 1), await emit(user.uid, 2)];
    const { client } = openClient({ url: b.url, namespace, ...user, events });
    const seen: number[] = [];
    client.on('m', (n) => seen.push(n));
    await until(() => seen.length === 2);
    ids.push(await emit(user.uid, 3));
    await until(() => seen.length === 3);
    expect(seen).toEqual([1, 2, 3]);
    for (const id of ids) await until(async () => (await stateOf(id)) === 'acked');
    expect(client.status.messages).toEqual({ handled: 3, repeated: 0, failed: 0, waiting: 0 });
  });

  test('are acknowledged when the promise of the handler resolves, not before', async () => {
    const user = newUser();
    const { client, is } = openClient({ url: b.url, namespace, ...user, events });
    let finish = (): void => undefined;
    client.on('m', () => new Promise<void>((resolve) => (finish = resolve)));
    await is('online');
    const id = await emit(user.uid, 1);
    await until(() => finish.length === 1);
    await until(async () => (await stateOf(id)) === 'sent');
    finish();
    await until(async () => (await stateOf(id)) === 'acked');
  });

  test('are not acknowledged when the handler throws, and are tried again', async () => {
    const user = newUser();
    const waiting = await emit(user.uid, 1);
    await emit(user.uid, 2);
    const { client, problems } = openClient({ url: b.url, namespace, ...user, events });
    const seen: number[] = [];
    let isBroken = true;
    client.on('m', (n) => {
      seen.push(n);
      if (n === 1 && isBroken) throw new Error('database of the application is away');
    });
    await until(() => client.status.messages.failed >= 1 && seen.includes(2));
    await until(async () => (await stateOf(waiting)) === 'sent');
    expect(problems[0]).toMatchObject({ code: 'HANDLER_FAILED', message: expect.stringContaining('is away') });
    isBroken = false;
    await until(async () => (await stateOf(waiting)) === 'acked');
    expect(seen.filter((n) => n === 2)).toEqual([2]);
  });

  test('come again after a reload when their handler threw', async () => {
    const user = newUser();
    const storage = createStorage();
    const first = openClient({ url: b.url, namespace, ...user, events, storage });
    first.client.on('m', () => Promise.reject(new Error('no')));
    const id = await emit(user.uid, 1);
    await until(() => first.client.status.messages.failed >= 1);
    first.client.close();
    const { client } = openClient({ url: a.url, namespace, ...user, events, storage });
    const seen: number[] = [];
    client.on('m', (n) => seen.push(n));
    await until(async () => (await stateOf(id)) === 'acked');
    expect(seen).toEqual([1]);
  });

  test('are handled once when the connection is cut before the acknowledgement', async () => {
    const user = newUser();
    const road = await openRoad(a);
    const { client, is } = openClient({ url: road.url, namespace, ...user, events });
    const seen: number[] = [];
    let finish = (): void => undefined;
    client.on('m', (n) => {
      seen.push(n);
      return n === 1 ? new Promise<void>((resolve) => (finish = resolve)) : undefined;
    });
    await is('online');
    const first = await emit(user.uid, 1);
    await until(() => seen.length === 1);
    const second = await emit(user.uid, 2);
    await road.leadTo(b);
    await is('online');
    // The handler of the first connection is done while the second one waits for the same message.
    await until(() => client.status.messages.waiting === 3);
    finish();
    for (const id of [first, second]) await until(async () => (await stateOf(id)) === 'acked');
    expect(seen).toEqual([1, 2]);
    expect(client.status.messages).toMatchObject({ handled: 2, repeated: 1, waiting: 0 });
  });

  test('are handled once when the page is reloaded before the acknowledgement arrives', async () => {
    const user = newUser();
    const storage = createStorage();
    const road = await openRoad(a);
    const { client: before, is } = openClient({ url: road.url, namespace, ...user, events, storage });
    const seen: number[] = [];
    before.on('m', async (n) => {
      seen.push(n);
      await road.cut();
    });
    await is('online');
    const id = await emit(user.uid, 1);
    await until(() => before.status.messages.handled === 1);
    before.close();
    await until(async () => (await stateOf(id)) === 'sent');
    await road.leadTo(b);
    const { client: after } = openClient({ url: road.url, namespace, ...user, events, storage });
    after.on('m', (n) => seen.push(n));
    await until(async () => (await stateOf(id)) === 'acked');
    expect(seen).toEqual([1]);
    expect([after.deviceId, after.status.messages.repeated]).toEqual([before.deviceId, 1]);
  });

  test('an acknowledgement for an earlier connection acknowledges nothing on the present one', async () => {
    // Both nodes are new, so the first acknowledgement has the same number on both.
    const env = { REDIS_URL: redis.url, MONGODB_URL: database.url };
    const [c, d] = await Promise.all([startGateway(env), startGateway(env)]);
    onTestFinished(() => Promise.all([c.close(), d.close()]).then(() => undefined));
    const user = newUser();
    const road = await openRoad(c);
    const { client, is } = openClient({ url: road.url, namespace, ...user, events });
    const finish: (() => void)[] = [];
    client.on('m', () => new Promise<void>((resolve) => void finish.push(resolve)));
    await is('online');
    await emit(user.uid, 1);
    await until(() => finish.length === 1);
    await emit(user.uid, 2);
    await road.leadTo(d);
    await is('online');
    // The batch of the other node, behind the handler of the first connection.
    await until(() => client.status.messages.waiting === 3);
    finish[0]?.();
    await until(() => finish.length === 2);
    // It would follow at once, were the batch taken for acknowledged.
    const third = await emit(user.uid, 3);
    await client.emit('join');
    await client.emit('join');
    expect(client.status.messages.waiting).toBe(1);
    finish[1]?.();
    await until(() => finish.length === 3);
    finish[2]?.();
    await until(async () => (await stateOf(third)) === 'acked');
  });

  test('of an event without a handler wait for one', async () => {
    const user = newUser();
    const id = await emit(user.uid, 1);
    const { client, problems } = openClient({ url: b.url, namespace, ...user, events });
    await until(() => problems.some(({ code }) => code === 'NO_HANDLER'));
    await until(async () => (await stateOf(id)) === 'sent');
    expect(client.status.messages.waiting).toBe(1);
    const seen: unknown[] = [];
    client.on('m', (n) => seen.push(n));
    await until(async () => (await stateOf(id)) === 'acked');
    const other = await emit(user.uid, 'x', 'unknown');
    client.onOther((event, ...args) => seen.push([event, ...args]));
    await until(async () => (await stateOf(other)) === 'acked');
    expect(seen).toEqual([1, ['unknown', 'x']]);
  });

  test('wait for a slow handler by the hundred, and come in order, once', async () => {
    const user = newUser();
    const { client, is } = openClient({ url: b.url, namespace, ...user, events });
    const seen: number[] = [];
    let release = (): void => undefined;
    const gate = new Promise<void>((resolve) => (release = resolve));
    client.on('m', async (n) => {
      await gate;
      seen.push(n);
    });
    await is('online');
    const numbers = Array.from({ length: 700 }, (_, index) => index + 1);
    const items = numbers.map((n) => ({ userId: user.uid, event: 'm', payload: n, durable: true }));
    await a.call('POST', '/emit', { items });
    // The gateway leaves so many unacknowledged.
    await until(() => client.status.messages.waiting === 500);
    release();
    await until(() => seen.length >= 700);
    expect(seen).toEqual(numbers);
    expect(client.status.messages).toMatchObject({ handled: 700, repeated: 0 });
  });

  test('that a limit dropped are reported by onResync', async () => {
    const user = newUser();
    const deviceId = 'phone';
    const first = openClient({ url: a.url, namespace, ...user, events, deviceId });
    await first.is('online');
    await first.client.emit('join');
    first.client.close();
    await a.call('POST', `/emit/${user.uid}/m?durable=true&ttl=1`, '1');
    await until(async () => {
      const { json } = await a.call('GET', `/users/${user.uid}/deliveries`);
      return json.data.messages[0]?.devices[0]?.reason === 'EXPIRED_TTL';
    });
    let resyncs = 0;
    openClient({ url: b.url, namespace, ...user, events, deviceId, onResync: () => (resyncs += 1) });
    await until(() => resyncs === 1);
  });
});

describe('tokens', () => {
  test.each([10, -10])(
    'are renewed by a device whose clock is %i hours ahead, and repeats are dropped',
    async (hours) => {
      const { uid } = newUser();
      const ahead = { now: () => Date.now() + hours * 3_600_000, after: systemClock.after };
      let asked = 0;
      const token = async (): Promise<string> => {
        asked += 1;
        return signToken({ uid, jti: String(asked) }, { expiresIn: asked === 1 ? '30s' : '1h' });
      };
      const road = await openRoad(a);
      const { client, is } = openClient({ url: road.url, namespace, token, clock: ahead, events });
      const seen: number[] = [];
      let finish = (): void => undefined;
      client.on('m', (n) => {
        seen.push(n);
        return new Promise<void>((resolve) => (finish = resolve));
      });
      await is('online');
      await until(() => asked === 2);
      await client.emit('join');
      const id = await emit(uid, 1);
      await until(() => seen.length === 1);
      await road.leadTo(b);
      await is('online');
      await until(() => client.status.messages.waiting === 2);
      finish();
      await until(async () => (await stateOf(id)) === 'acked');
      expect([seen, client.status.messages.repeated]).toEqual([[1], 1]);
    },
  );

  test('are renewed when they are about to expire, so that the connection lasts', async () => {
    const { uid } = newUser();
    const clock = createMovableClock();
    const node = await startGateway({ MONGODB_URL: database.url }, { clock });
    onTestFinished(node.close);
    const asked: string[] = [];
    const token = async (): Promise<string> => {
      asked.push(signToken({ uid, jti: String(asked.length) }, { expiresIn: asked.length === 0 ? '10m' : '1h' }));
      return asked.at(-1) ?? '';
    };
    const { client, states, is } = openClient({ url: node.url, namespace, token });
    await is('online');
    const expiresAt = async (): Promise<number> => {
      const { sockets } = (await node.call('GET', `/users/${uid}`)).json.data;
      return Date.parse(sockets[0].tokenExpiresAt);
    };
    const first = await expiresAt();
    await clock.advance(9.5 * 60_000);
    await until(async () => (await expiresAt()) > first);
    await clock.advance(60_000);
    await expect(client.emit('join')).resolves.toBeUndefined();
    expect([states, asked.length]).toEqual([['connecting', 'online'], 2]);
  });

  test('that do not change are not sent again and again', async () => {
    const { uid } = newUser();
    const only = signToken({ uid }, { expiresIn: '30s' });
    let asked = 0;
    const token = async (): Promise<string> => {
      asked += 1;
      return only;
    };
    // The pauses of the client end when the test says so.
    const clock = createTestClock();
    const { client, problems, is } = openClient({ url: a.url, namespace, token, clock });
    await is('online');
    await until(() => problems.length === 1);
    for (let calls = 0; calls < 20; calls += 1) await client.emit('join');
    expect(problems[0]).toMatchObject({ code: 'TOKEN_UNAVAILABLE', message: expect.stringContaining('same token') });
    expect(asked).toBe(2);
    clock.advance(1000);
    await until(() => asked === 3);
  });

  test('are asked for again while their source fails', async () => {
    const user = newUser();
    let asked = 0;
    const token = async (): Promise<string> => {
      asked += 1;
      if (asked < 3) throw new Error('502 from the API');
      return user.token();
    };
    const { client, states, is } = openClient({ url: a.url, namespace, token });
    await until(() => client.status.reason !== undefined);
    expect(client.status.reason).toMatchObject({ code: 'TOKEN_UNAVAILABLE', message: expect.stringContaining('502') });
    await is('online');
    expect([asked, states]).toEqual([3, ['connecting', 'offline', 'connecting', 'offline', 'connecting', 'online']]);
  });

  test('are fetched for each reconnect', async () => {
    const { uid } = newUser();
    let asked = 0;
    const token = async (): Promise<string> => {
      asked += 1;
      return signToken({ uid });
    };
    const road = await openRoad(a);
    const { is } = openClient({ url: road.url, namespace, token });
    await is('online');
    await road.leadTo(b);
    await until(() => asked === 2);
    await is('online');
  });

  test('that are refused twice end the attempts, until the application asks for another', async () => {
    const user = newUser();
    let token = 'no token at all';
    const clock = createTestClock();
    const { client, states, is } = openClient({ url: a.url, namespace, token: async () => token, clock });
    await is('offline');
    clock.advance(2000);
    await is('refused');
    expect(client.status.reason).toMatchObject({ code: 'INVALID_TOKEN', retryable: false });
    expect(states).toEqual(['connecting', 'offline', 'connecting', 'refused']);
    await expect(client.emit('join')).rejects.toMatchObject({ code: 'INVALID_TOKEN' });
    token = await user.token();
    client.reconnect();
    await is('online');
  });

  test('of the second in which all of the user were revoked are replaced by one of the next second', async () => {
    const { uid } = newUser();
    const { states, is } = openClient({ url: a.url, namespace, token: async () => signToken({ uid }) });
    await is('online');
    // Early in a second, so that the next token could be of the same second.
    await until(() => Date.now() % 1000 < 200);
    await b.call('POST', '/tokens/revoke', { userId: uid, keep_seconds: 60 });
    await until(() => states.length > 3 && ['online', 'refused'].includes(states.at(-1) ?? ''));
    expect(states).toEqual(['connecting', 'online', 'offline', 'connecting', 'online']);
  });

  test('that were revoked are replaced by the next one', async () => {
    const { uid } = newUser();
    let issued = 0;
    const token = async (): Promise<string> => {
      issued += 1;
      return signToken({ uid, jti: `${uid}-${issued}` });
    };
    const { states, is } = openClient({ url: a.url, namespace, token });
    await is('online');
    await b.call('POST', '/tokens/revoke', { jti: `${uid}-1`, keep_seconds: 60 });
    await until(() => states.length > 3 && states.at(-1) === 'online');
    expect(issued).toBe(2);
  });
});

test('a backend that ends the connection is not answered by a reconnect', async () => {
  const user = newUser();
  const { client, is } = openClient({ url: a.url, namespace, ...user });
  await is('online');
  await b.call('POST', `/users/${user.uid}/disconnect`, { reason: 'signed out' });
  await is('refused');
  expect(client.status.reason).toMatchObject({ code: 'DISCONNECTED', message: 'DISCONNECTED: signed out' });
});

test('a block for a time is waited for', async () => {
  const user = newUser();
  const { client, states, is } = openClient({ url: a.url, namespace, ...user });
  await is('online');
  await b.call('POST', `/users/${user.uid}/block`, { seconds: 2 });
  await until(() => client.status.reason?.retryAfterMs !== undefined);
  expect(client.status).toMatchObject({ state: 'offline', reason: { code: 'FORBIDDEN' } });
  await is('online');
  expect(states).not.toContain('refused');
});

test('a node that stops is left for another one', async () => {
  const env = { REDIS_URL: redis.url, MONGODB_URL: database.url, SHUTDOWN_DRAIN_MS: '200' };
  const leaving = await startGateway(env);
  const road = await openRoad(leaving);
  const { client, states, is } = openClient({ url: road.url, namespace, ...newUser() });
  await is('online');
  const closed = leaving.close();
  await is('draining');
  await closed;
  await road.leadTo(b);
  await is('online');
  await client.emit('join');
  expect(states.slice(0, 4)).toEqual(['connecting', 'online', 'draining', 'connecting']);
});

test('the device id is the same after a reload, and belongs to the storage', () => {
  const storage = createStorage();
  const [one, two] = [1, 2].map(() => openClient({ url: a.url, namespace, ...newUser(), storage }).client.deviceId);
  const other = openClient({ url: a.url, namespace, ...newUser() }).client.deviceId;
  expect([one, one]).toEqual([two, expect.stringMatching(/^[0-9a-f]{32}$/)]);
  expect(other).not.toBe(one);
});

test('a storage that throws costs nothing but the memory over reloads', async () => {
  const storage = {
    getItem: () => {
      throw new Error('SecurityError');
    },
    setItem: () => {
      throw new Error('QuotaExceededError');
    },
  };
  const user = newUser();
  const { client } = openClient({ url: a.url, namespace, ...user, events, storage });
  const seen: number[] = [];
  client.on('m', (n) => seen.push(n));
  const id = await emit(user.uid, 1);
  await until(async () => (await stateOf(id)) === 'acked');
  expect([seen, client.deviceId.length]).toEqual([[1], 32]);
});

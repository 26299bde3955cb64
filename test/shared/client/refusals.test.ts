import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Server, type Socket } from 'socket.io';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { connect } from '#shared/client/index.js';
import { createTestClock } from '../../support/clock.js';
import { until } from '../../support/until.js';
import { createStorage, openClient } from './environment.js';

/** What the gateway puts into `connect_error`. */
interface Refusal {
  readonly errno: number;
  readonly message: string;
  readonly retry_after?: number;
}

/** A server that refuses as the gateway does, when the test says so. */
const server = createServer();
const io = new Server(server, { transports: ['websocket'] });
let url = '';
/** Answers to the next connects; then they are accepted. By namespace. */
let refusals: Record<string, Refusal[]> = {};
let sockets: Socket[] = [];
let connections = 0;

beforeAll(async () => {
  io.engine.on('connection', () => (connections += 1));
  // A pattern does not match `/`, which exists already.
  for (const part of [io.of('/'), io.of(/^\/v1/)]) {
    part.use((socket, next) => {
      const data = refusals[socket.nsp.name]?.shift();
      next(data === undefined ? undefined : Object.assign(new Error(data.message), { data }));
    });
    part.on('connection', (socket) => {
      sockets.push(socket);
      socket.onAny((_event, ...args) => args.at(-1)({ success: true, message: 'SUCCESS' }));
    });
  }
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
beforeEach(() => {
  refusals = {};
  sockets = [];
  connections = 0;
});
afterAll(() => io.close());

const token = async (): Promise<string> => 'token';
const namespace = '/v1/shared';

/** A client whose pauses end when the test says so. */
function open(random: number, refusal?: Refusal) {
  if (refusal !== undefined) refusals[namespace] = [refusal];
  const clock = createTestClock();
  return { ...openClient({ url, namespace, token, clock, random: () => random }), clock };
}

/** Milliseconds until the next attempt, to 10 ms. */
function untilAttempt({ client, clock }: Pick<ReturnType<typeof open>, 'client' | 'clock'>): number {
  let waitedMs = 0;
  for (; client.status.state !== 'connecting'; waitedMs += 10) clock.advance(10);
  return waitedMs;
}

describe('a refusal that passes', () => {
  test.each<[Refusal, number]>([
    [{ errno: 503, message: 'UNAVAILABLE' }, 0],
    [{ errno: 503, message: 'UNAVAILABLE', retry_after: 3 }, 3000],
    [{ errno: 500, message: 'INTERNAL_ERROR' }, 0],
    [{ errno: 429, message: 'RATE_LIMITED', retry_after: 7 }, 7000],
    [{ errno: 403, message: 'FORBIDDEN', retry_after: 60 }, 60_000],
  ])('%j is tried again when it can succeed, at a time that differs between clients', async (refusal, waitMs) => {
    const early = open(0, refusal);
    await early.is('offline');
    const late = open(1, refusal);
    await late.is('offline');
    expect(early.client.status.reason).toMatchObject({ code: refusal.message });
    expect([early, late].map(untilAttempt)).toEqual([waitMs + 250, waitMs + 500]);
    await early.is('online');
    await late.is('online');
  });

  test('is waited for longer each time, up to 15 seconds', async () => {
    const refusal = { errno: 503, message: 'UNAVAILABLE' };
    const opened = open(1, refusal);
    const waits: number[] = [];
    for (let attempt = 0; attempt < 7; attempt += 1) {
      await opened.is('offline');
      refusals[namespace] = [refusal];
      waits.push(untilAttempt(opened));
    }
    expect(waits).toEqual([500, 1000, 2000, 4000, 8000, 15_000, 15_000]);
  });

  test('does not fail a call that waits for the connection', async () => {
    const opened = open(0, { errno: 503, message: 'UNAVAILABLE', retry_after: 1 });
    const answer = opened.client.emit('join');
    await opened.is('offline');
    untilAttempt(opened);
    await expect(answer).resolves.toBeUndefined();
  });

  test('of a token is tried once more, a second later: token times are whole seconds', async () => {
    const opened = open(0, { errno: 401, message: 'INVALID_TOKEN' });
    await opened.is('offline');
    refusals[namespace] = [{ errno: 401, message: 'INVALID_TOKEN' }];
    expect(untilAttempt(opened)).toBe(1250);
    await opened.is('refused');
  });
});

describe('a refusal that does not pass', () => {
  test.each<Refusal>([
    { errno: 403, message: 'FORBIDDEN' },
    { errno: 400, message: 'VALIDATION_ERROR' },
    { errno: 404, message: 'NOT_FOUND' },
    { errno: 507, message: 'QUOTA_EXCEEDED' },
    // So long that the application decides.
    { errno: 403, message: 'FORBIDDEN', retry_after: 3601 },
  ])('%j ends the attempts, and calls reject with it', async (refusal) => {
    const { client, clock, is, states } = open(0, refusal);
    const waiting = client.emit('join');
    await expect(waiting).rejects.toMatchObject({ code: refusal.message });
    await is('refused');
    clock.advance(86_400_000);
    expect(states).toEqual(['connecting', 'refused']);
    await expect(client.emit('join')).rejects.toMatchObject({ code: refusal.message });
    client.reconnect();
    await is('online');
  });
});

describe('a node that drains', () => {
  const drain = async (opened: ReturnType<typeof open>, retryAfterMs: number): Promise<void> => {
    await opened.is('online');
    sockets.at(-1)?.emit('server_draining', { retry_after_ms: retryAfterMs });
    await opened.is('draining');
  };

  test.each([
    [0, 4250],
    [0.4, 5950],
    [1, 8500],
  ])('is left for another one when its time is over, spread by chance (%f)', async (random, waitMs) => {
    const opened = open(random);
    await drain(opened, 4000);
    sockets.at(-1)?.disconnect();
    await until(() => opened.client.status.reason !== undefined);
    expect([opened.client.status.state, untilAttempt(opened)]).toEqual(['draining', waitMs]);
    await opened.is('online');
  });

  test('is left at once when the connection lasted as long as it said', async () => {
    const opened = open(0);
    await drain(opened, 4000);
    opened.clock.advance(4000);
    sockets.at(-1)?.disconnect();
    await until(() => opened.client.status.reason !== undefined);
    expect(untilAttempt(opened)).toBe(250);
  });
});

describe('namespaces of one gateway', () => {
  const openAll = () => {
    const own = { url, token, random: () => 0, storage: createStorage() };
    const clients = [
      openClient({ ...own, namespace: '/v1/shared' }),
      openClient({ ...own, namespace: '/v1/conversation' }),
      openClient({ ...own, namespace: '/' }),
    ] as const;
    return { clients, areOnline: () => Promise.all(clients.map(({ is }) => is('online'))) };
  };

  test('share one connection, also after it was cut', async () => {
    const { clients, areOnline } = openAll();
    await areOnline();
    expect([connections, sockets.length]).toEqual([1, 3]);
    sockets[0]?.conn.close();
    await Promise.all(clients.map(({ states }) => until(() => states.includes('offline'))));
    await areOnline();
    expect([connections, sockets.length]).toEqual([2, 6]);
  });

  test('are refused, closed and opened each by itself', async () => {
    refusals['/'] = [{ errno: 403, message: 'FORBIDDEN' }];
    const { clients } = openAll();
    const [shared, team, chat] = clients;
    await Promise.all([shared.is('online'), team.is('online'), chat.is('refused')]);
    team.client.close();
    await expect(shared.client.emit('join')).resolves.toBeUndefined();
    chat.client.reconnect();
    await chat.is('online');
    const again = openClient({ url, token, namespace: '/v1/conversation' });
    await again.is('online');
    expect([connections, shared.states, team.client.status.state]).toEqual([1, ['connecting', 'online'], 'offline']);
  });

  test('end their connection with the last one', async () => {
    const { clients, areOnline } = openAll();
    await areOnline();
    for (const { client } of clients) client.close();
    await until(() => io.engine.clientsCount === 0);
  });

  test('with a second client have a second connection', async () => {
    const { areOnline } = openAll();
    const second = connect({ url, token, namespace: '/v1/shared', storage: createStorage() });
    await areOnline();
    await until(() => second.status.state === 'online');
    expect([connections, sockets.length]).toEqual([2, 4]);
    second.close();
  });
});

import { once } from 'node:events';
import { createConnection } from 'node:net';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { WebSocket } from 'ws';
import { createLogger } from '../../../src/platform/logging/logger.js';
import { type Recorder, recordCommands } from '../../queries/recorder.js';
import { openClient } from '../../shared/client/environment.js';
import { openSocket } from '../../support/client.js';
import { createTestClock } from '../../support/clock.js';
import { createTestEnvironment, type TestEnvironment, type TestUser } from '../../support/environment.js';
import { signToken } from '../../support/gateway.js';
import { openLine, textFrame, upgradeRequest } from '../../support/line.js';
import { until } from '../../support/until.js';
import { openRaw } from '../hostile/raw-connection.js';

/*
 * A small storm. The admission has a clock of its own, which the test moves: the first client comes in at once, 20 wait, and
 * all others are refused until the clock has moved.
 */

const PER_SECOND = 2;
const PLACES = 20;

const admissionClock = createTestClock();
const lines: Record<string, unknown>[] = [];
const logger = createLogger(
  { level: 'info', isPretty: false },
  { write: (line: string) => void lines.push(JSON.parse(line) as Record<string, unknown>) },
);
let recorder: Recorder;
let environment: TestEnvironment;

beforeAll(async () => {
  recorder = recordCommands('general-socket');
  environment = await createTestEnvironment({
    overrides: { admissionClock, logger, clock: createTestClock() },
    env: { ADMISSION_PER_SECOND: String(PER_SECOND) },
  });
});
afterAll(async () => {
  await environment.close();
  recorder.stop();
});

async function metric(name: string): Promise<number> {
  const { text } = await environment.node(0).call('GET', '/metrics');
  const line = text.split('\n').find((candidate) => candidate.startsWith(`${name} `));
  return Number(line?.slice(name.length) ?? 0);
}
const waiting = (): Promise<number> => metric('gateway_admission_waiting');

/** Users who have waited. What follows from their connects can be stored while a later test runs. */
const entrants = new Set<string>();

/** The commands that are not about those who have waited. */
const otherCommands = (since: number): unknown[] =>
  recorder.commands.slice(since).filter((command) => {
    const text = JSON.stringify(command);
    return ![...entrants].some((id) => text.includes(id));
  });

/** Handshakes that wait. Each enters as its user when it is admitted. */
async function fillQueue(count = PLACES): Promise<{ sockets: WebSocket[]; entered(): number }> {
  const users: TestUser[] = await environment.people(...Array.from({ length: count }, (_, n) => `User ${n}`));
  for (const { id } of users) entrants.add(id);
  const { url } = environment.node(0);
  let entered = 0;
  const before = await waiting();
  const sockets = users.map(({ id, accountId }) => {
    const socket = new WebSocket(`${url.replace('http', 'ws')}/socket.io/?EIO=4&transport=websocket`);
    const token = signToken({ uid: id, account_id: accountId });
    socket.on('error', () => undefined);
    socket.on('message', (data) => {
      const frame = String(data);
      if (frame.startsWith('0')) socket.send(`40/v1/shared,${JSON.stringify({ token })}`);
      if (frame.startsWith('40/v1/shared,')) entered += 1;
    });
    return socket;
  });
  onTestFinished(async () => {
    for (const socket of sockets) socket.terminate();
    await until(async () => (await waiting()) === 0);
  });
  await until(async () => (await waiting()) === before + count);
  return { sockets, entered: () => entered };
}

/** Uses up what is admitted at once. */
async function openFirst(): Promise<void> {
  admissionClock.advance(1000);
  (await openRaw(environment.node(0))).close();
}

/** Admits all that wait. */
async function admitAll(): Promise<void> {
  while ((await waiting()) > 0) admissionClock.advance(1000);
}

/** The response to a handshake that is refused. */
async function refusedHandshake(): Promise<{ status: string; retryAfter: number; body: Record<string, unknown> }> {
  const socket = createConnection(environment.node(0).port, '127.0.0.1');
  let text = '';
  socket.on('data', (chunk: Buffer) => {
    text += chunk.toString();
  });
  socket.write(upgradeRequest(''));
  await once(socket, 'close');
  const [head = '', body = ''] = text.split('\r\n\r\n');
  return {
    status: head.split('\r\n')[0] ?? '',
    retryAfter: Number(/Retry-After: (\d+)/.exec(head)?.[1]),
    body: JSON.parse(body) as Record<string, unknown>,
  };
}

test('refuses a handshake with a time, looks nothing up for it, and keeps those that wait', async () => {
  await openFirst();
  const queue = await fillQueue();
  const refusedBefore = await metric('gateway_admissions_total{result="refused"}');
  const commands = recorder.commands.length;
  const responses = await Promise.all(Array.from({ length: 30 }, refusedHandshake));
  for (const { status, retryAfter, body } of responses) {
    expect(status).toBe('HTTP/1.1 429 Too Many Requests');
    const ms = Number(body['retry_after_ms']);
    expect(body).toEqual({ errno: 429, message: 'RATE_LIMITED', retry_after: retryAfter, retry_after_ms: ms });
    expect(retryAfter).toBe(Math.ceil(ms / 1000));
  }
  const times = responses.map(({ body }) => Number(body['retry_after_ms']));
  // 20 wait at 2 a second, so the mean is about 10 s, with half of it as jitter to both sides.
  expect(Math.min(...times)).toBeGreaterThanOrEqual(5000);
  expect(Math.max(...times)).toBeLessThanOrEqual(16_000);
  expect(new Set(times).size).toBeGreaterThan(20);
  expect(otherCommands(commands)).toEqual([]);
  expect(await metric('gateway_admissions_total{result="refused"}')).toBe(refusedBefore + 30);
  expect(lines.filter(({ event }) => event === 'admission_refused')).toHaveLength(1);

  await admitAll();
  await until(() => queue.entered() === PLACES);
});

test('tells a client that asks for it at its CONNECT, before its token is looked at', async () => {
  await openFirst();
  await fillQueue();
  const commands = recorder.commands.length;
  const asking = await openRaw(environment.node(0), 'EIO=4&retryAfter=1');
  for (let sent = 0; sent < 2; sent += 1) {
    asking.send('40/v1/shared,{"token":"not a token"}');
    const answer = await asking.next();
    expect(answer).toMatch(/^44\/v1\/shared,\{"message":"UNAVAILABLE","data":\{"errno":503,/);
    expect(answer).toMatch(/"retry_after_ms":\d+/);
  }
  asking.close();
  expect(otherCommands(commands)).toEqual([]);
  await admitAll();
});

test('the typed client waits for the time that it is told, and comes in', async () => {
  await openFirst();
  await fillQueue();
  const [user] = await environment.people('Ada');
  const clock = createTestClock();
  const { client, is } = openClient({
    url: environment.node(0).url,
    namespace: '/v1/shared',
    clock,
    token: async () => signToken({ uid: user.id, account_id: user.accountId }),
  });
  await is('offline');
  const { code, retryAfterMs = 0 } = client.status.reason ?? {};
  expect(code).toBe('UNAVAILABLE');
  expect(retryAfterMs).toBeGreaterThanOrEqual(5000);
  clock.advance(retryAfterMs);
  expect(client.status.state).toBe('offline');
  await admitAll();
  admissionClock.advance(1000);
  clock.advance(1000);
  await is('online');
});

test('a plain Socket.IO client comes in by itself', async () => {
  await openFirst();
  await fillQueue();
  const [user] = await environment.people('Ada');
  const socket = openSocket(environment.node(0), {
    claims: { uid: user.id, account_id: user.accountId },
    reconnection: true,
    reconnectionDelay: 10,
    reconnectionDelayMax: 50,
  });
  onTestFinished(() => void socket.close());
  let refused = 0;
  socket.on('connect_error', () => (refused += 1));
  await until(() => refused >= 3);
  expect(socket.connected).toBe(false);
  await admitAll();
  await admissionClock.advanceUntil(500, () => socket.connected);
});

test('a client that leaves gives up its place, also when its connection breaks', async () => {
  await openFirst();
  const { sockets, entered } = await fillQueue();
  const [first, second] = sockets;
  first?.terminate();
  // Ends with RST instead of FIN.
  const { _req: request } = second as unknown as { _req: { socket: { resetAndDestroy(): void } } };
  request.socket.resetAndDestroy();
  await until(async () => (await waiting()) === PLACES - 2);
  await admitAll();
  await until(() => entered() === PLACES - 2);
});

test('what a client sends while it waits is read after its admission', async () => {
  await openFirst();
  const line = await openLine(environment.node(0), upgradeRequest(''));
  await until(async () => (await waiting()) === 1);
  line.socket.write(textFrame('40/v1/lead-finder,'));
  // Answered after what was sent before it.
  for (let calls = 0; calls < 2; calls += 1) await environment.node(0).call('GET', '/health/live');
  await admitAll();
  await until(() => line.text().includes('40/v1/lead-finder,{"sid":'));
});

test('a handshake that waits counts as a connection of its address', async () => {
  const node = await environment.startNode({ ADDRESS_CONNECTIONS_MAX: '5' });
  const { port } = node;
  const open = async (): Promise<{ answered: Promise<string> }> => {
    const socket = createConnection(port, '127.0.0.1');
    onTestFinished(() => void socket.destroy());
    socket.on('error', () => undefined);
    const answered = once(socket, 'data').then(([chunk]) => String(chunk));
    await once(socket, 'connect');
    socket.write(upgradeRequest(''));
    return { answered };
  };
  expect(await (await open()).answered).toMatch(/^HTTP\/1.1 101 /);
  for (let n = 0; n < 4; n += 1) void (await open()).answered.catch(() => undefined);
  await until(async () => (await node.call('GET', '/metrics')).text.includes('gateway_admission_waiting 4'));
  expect(await (await open()).answered).toContain('too many connections of this address');
});

test('a node that stops refuses those that wait as draining', async () => {
  const node = await environment.startNode();
  const open = (): Promise<string> => {
    const socket = createConnection(node.port, '127.0.0.1');
    socket.write(upgradeRequest(''));
    return once(socket, 'data').then(([chunk]) => {
      socket.destroy();
      return String(chunk);
    });
  };
  const answers = [open(), open()];
  await until(async () => (await node.call('GET', '/metrics')).text.includes('gateway_admission_waiting 1'));
  const closed = node.close();
  await until(() => node.app.missing().then((names) => names.includes('draining')));
  admissionClock.advance(50);
  const texts = await Promise.all(answers);
  expect(texts.filter((text) => text.startsWith('HTTP/1.1 503 '))).toHaveLength(1);
  await closed;
});

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { access, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { WebSocket } from 'ws';
import { connect, openSocket } from '../support/client.js';
import { createTestEnvironment } from '../support/environment.js';
import { API_KEY, SECRET, signToken, startGateway } from '../support/gateway.js';
import { startGatewayProcess } from '../support/gateway-process.js';
import { type Line, openLine, textFrame, upgradeRequest } from '../support/line.js';
import { compiled, projectDirectory } from '../support/script.js';
import { until } from '../support/until.js';

let directory: string;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'general-socket-'));
});
afterAll(() => rm(directory, { recursive: true, force: true }));

test('SIGTERM: clients are notified, disconnected in waves and reconnect; the process exits with 0', async () => {
  const node = await startGatewayProcess({ DATA_DIR: join(directory, 'term'), SHUTDOWN_DRAIN_MS: '1500' });
  const clients = await Promise.all(
    Array.from({ length: 40 }, (_, index) => connect(node, { claims: { uid: `u${index}` } })),
  );
  const endings: Promise<[string, number]>[] = clients.map((client) => client.closed.then((why) => [why, Date.now()]));
  node.child.kill('SIGTERM');
  for (const client of clients) expect(await client.next('server_draining')).toEqual([{ retry_after_ms: 1500 }]);

  expect((await fetch(`${node.url}/status`)).status).toBe(200);
  const ready = await fetch(`${node.url}/health/ready`);
  expect(ready.status).toBe(503);
  expect(await ready.json()).toMatchObject({ message: 'UNAVAILABLE', missing: ['draining'] });
  const late = openSocket(node);
  await new Promise((resolve) => late.once('connect_error', resolve));
  late.close();

  const ends = await Promise.all(endings);
  // "transport close" is what a client reconnects after; after a disconnect by the server it would not.
  expect(new Set(ends.map(([why]) => why))).toEqual(new Set(['transport close']));
  expect(new Set(ends.map(([, at]) => at)).size).toBeGreaterThan(5);
  expect(await node.ended).toBe(0);
});

test('a websocket of a node that stops ends with the code for going away, as clients that read codes expect', async () => {
  const gateway = await startGateway();
  const websocket = new WebSocket(`${gateway.url.replace('http', 'ws')}/socket.io/?EIO=4&transport=websocket`);
  await once(websocket, 'message');
  websocket.send(`40/v1/shared,${JSON.stringify({ token: signToken() })}`);
  await once(websocket, 'message');
  const closed = once(websocket, 'close');
  await gateway.close();
  expect((await closed)[0]).toBe(1001);
});

test('signals shortly after the first are ignored; later ones, and the time limit, end the process', async () => {
  const [patient, limited] = await Promise.all([
    startGatewayProcess({
      DATA_DIR: join(directory, 'second'),
      SHUTDOWN_DRAIN_MS: '600000',
      SHUTDOWN_TIMEOUT_MS: '600000',
    }),
    startGatewayProcess({
      DATA_DIR: join(directory, 'limit'),
      SHUTDOWN_DRAIN_MS: '600000',
      SHUTDOWN_TIMEOUT_MS: '200',
    }),
  ]);
  const clients = await Promise.all([connect(patient), connect(limited)]);
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGINT'] as const) patient.child.kill(signal);
  limited.child.kill('SIGTERM');
  await clients[0]?.next('server_draining');
  for (let round = 0; round < 3; round += 1) expect((await fetch(`${patient.url}/status`)).status).toBe(200);
  expect(await limited.ended).toBe(1);

  const ended = patient.ended.then(() => true);
  await until(async () => {
    patient.child.kill('SIGTERM');
    return Promise.race([
      ended,
      fetch(`${patient.url}/status`)
        .then(() => false)
        .catch(() => false),
    ]);
  });
  expect(await patient.ended).toBe(1);
});

test('a node whose readiness is polled answers calls while it drains, also without connections', async () => {
  const drainMs = '600000';
  const node = await startGatewayProcess({
    DATA_DIR: join(directory, 'polled'),
    SHUTDOWN_DRAIN_MS: drainMs,
    SHUTDOWN_TIMEOUT_MS: drainMs,
  });
  const isReady = () => fetch(`${node.url}/health/ready`).then(({ ok }) => ok);
  expect(await isReady()).toBe(true);
  node.child.kill('SIGTERM');
  await until(async () => !(await isReady()));
  for (let round = 0; round < 20; round += 1) {
    const answer = await fetch(`${node.url}/emit/ann/hello`, {
      method: 'POST',
      headers: { 'x-api-key': API_KEY, 'content-type': 'application/json' },
      body: '{}',
    });
    expect(answer.status).toBe(200);
    expect(answer.headers.get('connection')).toBe('close');
  }
  node.child.kill('SIGKILL');
});

test.each(['SIGINT', 'SIGTERM'] as const)('%s while waiting for the database exits with 0', async (signal) => {
  const child = spawn(process.execPath, [compiled('src/main.ts')], {
    cwd: projectDirectory,
    env: {
      PATH: process.env['PATH'],
      NODE_ENV: 'test',
      PORT: '0',
      JWT_SECRET: SECRET,
      LOG_LEVEL: 'info',
      MONGODB_URL: 'mongodb://127.0.0.1:1',
      STARTUP_TIMEOUT_MS: '600000',
      SHUTDOWN_TIMEOUT_MS: '600000',
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  const ended = once(child, 'exit');
  // The first line of the log comes before the database is asked for.
  await once(child.stdout, 'data');
  child.kill(signal);
  expect(await ended).toEqual([0, null]);
});

test('events in flight are acknowledged before their connection is closed', async () => {
  const gateway = await startGateway();
  const client = await connect(gateway);
  const answers = Promise.all(Array.from({ length: 50 }, () => client.ask('join')));
  // The events have arrived with the one after them.
  await until(async () => (await gateway.call('GET', '/users/user-1/presence')).json.data.online === true);
  const closing = gateway.close();
  expect(await answers).toEqual(Array.from({ length: 50 }, () => ({ success: true, message: 'SUCCESS' })));
  expect(await client.closed).toBe('transport close');
  await closing;
});

test('an event that waits for a slow database is acknowledged before its connection is closed', async () => {
  const environment = await createTestEnvironment({ proxyOptions: '' });
  const [ann] = await environment.people('Ann');
  const client = await environment.open(ann);
  let isAsked = false;
  let [release, isPinged] = [(): void => undefined, false];
  const pinged = new Promise<void>((resolve) => {
    release = resolve;
  });
  // The event gets its documents when the shutdown has been told, too late for readiness, that the database is there.
  environment.proxy().rules = {
    async onReply(reply, command) {
      if ('ping' in command && !isPinged) {
        isPinged = true;
        // Longer than the limit of a readiness check.
        await setTimeout(1100);
        setImmediate(release);
      } else if ('aggregate' in command || 'find' in command) {
        isAsked = true;
        await pinged;
      }
      return reply;
    },
  };
  const answer = client.ask('list_conversation', {});
  await until(() => isAsked);
  const closing = environment.node(0).close();
  expect(await answer).toMatchObject({ success: true });
  environment.proxy().rules = {};
  await closing;
  await environment.close();
});

/** Clients that no longer answer, each in another state of its connection. They read nothing once they are there. */
async function openVanishedClients(node: { url: string }): Promise<void> {
  const at = { port: Number(new URL(node.url).port) };
  const entering = `40/v1/shared,${JSON.stringify({ token: signToken({ uid: 'vanished' }) })}`;
  const openWebsocket = async (frame?: string, query = ''): Promise<Line> => {
    const line = await openLine(at);
    await line.ask(upgradeRequest(query), query === '' ? /"sid":/ : /\r\n\r\n/);
    if (frame !== undefined) await line.ask(textFrame(frame), /4[04]\/v1|3probe/);
    return line;
  };
  const openSession = async (): Promise<string> => {
    const path = '/socket.io/?EIO=4&transport=polling';
    const { sid } = JSON.parse((await (await fetch(node.url + path)).text()).slice(1));
    await fetch(`${node.url}${path}&sid=${sid}`, { method: 'POST', body: entering });
    expect(await (await fetch(`${node.url}${path}&sid=${sid}`)).text()).toContain('40/v1/shared,');
    return sid;
  };
  const openHalf = async (request: string): Promise<Line> => {
    const line = await openLine(at);
    line.socket.write(request);
    return line;
  };
  const half = (path: string, body: string): string =>
    `POST ${path} HTTP/1.1\r\nHost: localhost\r\nx-api-key: ${API_KEY}\r\nContent-Type: application/json\r\nContent-Length: 1024\r\n\r\n${body}`;

  const inNamespace = await openWebsocket(entering);
  const unread = await openWebsocket(entering);
  const without = await openWebsocket();
  const refused = await openWebsocket('40/v1/shared,{"token":"garbage"}');
  const unknown = await openWebsocket('40/v1/none,');
  await openSession();
  const polled = await openHalf(
    `GET /socket.io/?EIO=4&transport=polling&sid=${await openSession()} HTTP/1.1\r\nHost: localhost\r\n\r\n`,
  );
  const posting = await openHalf(half(`/socket.io/?EIO=4&transport=polling&sid=${await openSession()}`, '4'));
  const upgrading = await openWebsocket('2probe', `&sid=${await openSession()}`);
  const handshaking = await openHalf(upgradeRequest('').slice(0, 100));
  const slowBody = await openHalf(half('/emit/u/e', '"half of'));
  const silent = await openHalf('');
  const download = await openHalf(
    `GET /asyncapi.json HTTP/1.1\r\nHost: localhost\r\nx-api-key: ${API_KEY}\r\n\r\n`.repeat(100),
  );
  const half_open = [inNamespace, unread, without, refused, unknown, polled, posting, upgrading];
  const lines = [...half_open, handshaking, slowBody, silent, download];
  for (const { socket } of lines) {
    expect(socket.destroyed).toBe(false);
    socket.pause();
  }
}

test('vanished clients do not prevent a clean shutdown', async () => {
  const dataDirectory = join(directory, 'vanished');
  const node = await startGatewayProcess({
    DATA_DIR: dataDirectory,
    SHUTDOWN_DRAIN_MS: '100',
    SOCKET_TRANSPORTS: 'websocket,polling',
    SOCKET_BUFFER_MAX: '100000000',
  });
  const lock = join(dataDirectory, 'db', 'lock');
  await access(lock);
  await openVanishedClients(node);
  const headers = { 'x-api-key': API_KEY, 'content-type': 'application/json' };
  const body = JSON.stringify('x'.repeat(1_000_000));
  // More than the kernel takes for clients that do not read.
  for (let count = 0; count < 20; count += 1) {
    expect((await fetch(`${node.url}/emit/vanished/large`, { method: 'POST', headers, body })).status).toBe(200);
  }
  node.child.kill('SIGTERM');
  expect(await node.ended).toBe(0);
  // The last of the steps is the database's, which gives its directory back.
  await expect(access(lock)).rejects.toThrow('ENOENT');
});

import { createConnection } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { connect } from '../support/client.js';
import { createTestClock, type TestClock } from '../support/clock.js';
import { API_KEY, startGateway, type TestGateway } from '../support/gateway.js';
import { type Line, openLine } from '../support/line.js';
import { until } from '../support/until.js';

/** Ends an answer of the routes that are called here. */
const END = /\}$/;

async function start(...args: Parameters<typeof startGateway>): Promise<TestGateway> {
  const gateway = await startGateway(...args);
  onTestFinished(() => gateway.close());
  return gateway;
}

/** Resolves when a gateway has closed. Its limits are times of the clock. */
async function ends(closing: Promise<void>, clock: TestClock): Promise<void> {
  let isClosed = false;
  const closed = closing.then(() => {
    isClosed = true;
  });
  await clock.advanceUntil(500, () => isClosed);
  await closed;
}

/** Whether nothing listens on the port of a gateway any more. */
function isRefused({ port }: TestGateway): Promise<boolean> {
  const attempt = createConnection(port, '127.0.0.1');
  return new Promise((resolve) => {
    attempt.on('connect', () => attempt.destroy());
    // A connection that was waiting to be accepted when the port was closed is reset.
    attempt.on('error', () => undefined);
    attempt.on('close', (hasFailed) => resolve(hasFailed));
  });
}

const STATUS = 'GET /status HTTP/1.1\r\nHost: gateway\r\n\r\n';
/** With a key: without one the answer does not wait for the body. */
const HALF_A_BODY = [
  `POST /emit/u/e HTTP/1.1\r\nHost: gateway\r\nContent-Type: application/json\r\nX-Api-Key: ${API_KEY}`,
  'Content-Length: 1024\r\n\r\n"half of',
].join('\r\n');

test('every header counts, however many are before it', async () => {
  const gateway = await start();
  const client = await connect(gateway, { claims: { uid: 'u' } });
  const payload = '"all of it"';
  const line = await openLine(gateway);
  const answer = await line.ask(
    [
      'POST /emit/u/many HTTP/1.1',
      ...Array.from({ length: 2500 }, () => 'a:'),
      'Host: gateway',
      `X-Api-Key: ${API_KEY}`,
      'Content-Type: application/json',
      `Content-Length: ${payload.length}`,
      '',
      payload,
    ].join('\r\n'),
    END,
  );
  expect(answer).toContain('HTTP/1.1 200');
  expect(await client.next('many')).toEqual([JSON.parse(payload)]);
  client.close();
});

test('an idle connection is kept longer than load balancers keep theirs', async () => {
  const line = await openLine(await start());
  expect(await line.ask(STATUS, END)).toMatch(/\r\nConnection: keep-alive\r\nKeep-Alive: timeout=75\r\n/);
  const other = await openLine(await start({ HTTP_KEEP_ALIVE_MS: '610000' }));
  expect(await other.ask(STATUS, END)).toContain('\r\nKeep-Alive: timeout=610\r\n');
});

test('while the gateway drains, an answer ends its connection; then idle ones end, regardless of their headers', async () => {
  const clock = createTestClock();
  const gateway = await start({ SHUTDOWN_DRAIN_MS: '2000' }, { clock });
  const client = await connect(gateway);
  const [kept, used, silent, headers, body] = await Promise.all(
    ['', '', '', 'GET /status HTTP/1.1\r\nHost:', HALF_A_BODY].map((said) => openLine(gateway, said)),
  );
  for (const line of [kept, used]) expect(await line?.ask(STATUS, END)).toContain('HTTP/1.1 200');

  const closing = gateway.close();
  await client.next('server_draining');
  expect(await used?.ask(STATUS, END)).toMatch(/\r\nConnection: close\r\n/);
  await used?.closed;
  expect(kept?.socket.destroyed).toBe(false);
  await ends(closing, clock);
  await Promise.all([kept, silent, headers, body].map((line) => line?.closed));
});

test('a node that stops closes its port, and then answers what comes on the connections that it has accepted', async () => {
  const clock = createTestClock();
  const gateway = await start({}, { clock });
  const [silent, body] = await Promise.all(['', HALF_A_BODY].map((said) => openLine(gateway, said)));
  // The head of the call has arrived with the one after it.
  await gateway.call('GET', '/status');
  const closing = gateway.close();
  await until(() => isRefused(gateway));
  expect(await silent?.ask(STATUS, END)).toMatch(/^HTTP\/1\.1 200 [\s\S]*\r\nConnection: close\r\n/);
  expect(await body?.ask(`${'x'.repeat(1024 - '"half of'.length - 1)}"`, END)).toMatch(/^HTTP\/1\.1 200 /);
  await ends(closing, clock);
});

test('connections without a request are bounded; websockets and running requests do not count', async () => {
  const gateway = await start({ HTTP_IDLE_MAX: '10', SOCKET_TRANSPORTS: 'websocket,polling' });
  const websocket = await connect(gateway);
  const polling = await connect(gateway, { transports: ['polling'], claims: { uid: 'polls' } });
  const first = await openLine(gateway);
  const used = await openLine(gateway);
  const lines: Line[] = [];
  for (let count = 0; count < 40; count += 1) {
    lines.push(await openLine(gateway, count % 2 === 0 ? '' : 'GET /status HTTP/1.1\r\nHost:'));
    expect(await used.ask(STATUS, END)).toContain('HTTP/1.1 200');
  }
  await first.closed;
  await Promise.all(lines.slice(0, 30).map(({ closed }) => closed));
  expect(lines.slice(-9).filter(({ socket }) => socket.destroyed)).toEqual([]);
  for (const client of [websocket, polling]) {
    expect(await client.ask('join')).toMatchObject({ success: true });
    client.close();
  }
  const metrics = await gateway.call('GET', '/metrics');
  expect(Number(/^gateway_http_waiting_closed_total (\d+)$/m.exec(metrics.text)?.[1])).toBeGreaterThanOrEqual(30);
});

test('what follows another request on its connection counts as one that is alone', async () => {
  const gateway = await start({ HTTP_IDLE_MAX: '10' });
  const stream = `GET /live HTTP/1.1\r\nHost: gateway\r\nX-Api-Key: ${API_KEY}\r\n\r\n`;
  const live = await openLine(gateway);
  expect(await live.ask(STATUS + stream, /ndjson/)).toContain('HTTP/1.1 200');
  const small = HALF_A_BODY.replace('1024', '20');
  const lines: Line[] = [];
  for (let opened = 0; opened < 30; opened += 1) {
    const line = await openLine(gateway);
    await line.ask(STATUS + small, END);
    lines.push(line);
  }
  await Promise.all(lines.slice(0, 20).map(({ closed }) => closed));
  expect(lines.slice(21).filter(({ socket }) => socket.destroyed)).toEqual([]);
  for (let opened = 0; opened < 20; opened += 1) await openLine(gateway);
  expect((await gateway.call('POST', '/emit/u/e', { small: true })).status).toBe(200);
  expect(live.socket.destroyed).toBe(false);
});

test('incomplete small bodies are bounded by number', async () => {
  const gateway = await start({ HTTP_IDLE_MAX: '10' });
  const small = HALF_A_BODY.replace('1024', '20');
  const lines: Line[] = [];
  for (let opened = 0; opened < 30; opened += 1) lines.push(await openLine(gateway, small));
  await Promise.all(lines.slice(0, 20).map(({ closed }) => closed));
  expect(lines.slice(21).filter(({ socket }) => socket.destroyed)).toEqual([]);
  expect((await gateway.call('POST', '/emit/u/e', { small: true })).status).toBe(200);
});

test('incomplete bodies are bounded, also without content-length', async () => {
  const gateway = await start({ BODY_LIMIT: '1024', SOCKET_MESSAGE_MAX: '1024' });
  const chunked = HALF_A_BODY.replace('Content-Length: 1024', 'Transfer-Encoding: chunked').replace('"half', '10\r\n"');
  const first = [await openLine(gateway, HALF_A_BODY), await openLine(gateway, chunked)];
  // Each has come when an answer to what was sent after it has.
  await gateway.call('GET', '/status');
  const rest = await Promise.all(Array.from({ length: 64 }, () => openLine(gateway, HALF_A_BODY)));
  await Promise.all(first.map(({ closed }) => closed));
  expect((await gateway.call('POST', '/emit/u/e', { small: true })).status).toBe(200);
  await gateway.call('GET', '/status');
  expect(rest.filter(({ socket }) => socket.destroyed).length).toBeLessThanOrEqual(1);
});

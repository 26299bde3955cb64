import { afterEach, describe, expect, test } from 'vitest';
import { createLogger } from '../../../src/platform/logging/logger.js';
import { createTestClock, type TestClock } from '../../support/clock.js';
import { signToken, startGateway, type TestGateway } from '../../support/gateway.js';
import { openLine, upgradeRequest } from '../../support/line.js';
import { enterRaw, openRaw, type RawConnection } from './raw-connection.js';

const MAX = 5;
/** Public addresses, of documentation (RFC 5737). */
const CLIENTS = ['198.51.100.1', '198.51.100.2'];

const undo: (() => unknown)[] = [];
afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step();
});

const lines: { msg: string }[] = [];
const logger = createLogger(
  { level: 'warn', isPretty: false },
  { write: (line: string) => void lines.push(JSON.parse(line) as { msg: string }) },
);

async function start(env: Record<string, string>): Promise<{ gateway: TestGateway; clock: TestClock }> {
  lines.length = 0;
  const clock = createTestClock();
  const gateway = await startGateway(env, { clock, logger });
  undo.push(() => gateway.close());
  return { gateway, clock };
}

async function openMany(gateway: TestGateway, headers: Record<string, string> = {}): Promise<RawConnection[]> {
  const connections: RawConnection[] = [];
  for (let opened = 0; opened < MAX; opened += 1) connections.push(await openRaw(gateway, 'EIO=4', headers));
  undo.push(() => {
    for (const connection of connections) connection.close();
  });
  return connections;
}

/** What the gateway answers to a request for one more websocket. */
async function handshake(gateway: TestGateway, forwarded = ''): Promise<string> {
  const line = await openLine(gateway);
  const header = forwarded === '' ? '' : `\r\nX-Forwarded-For: ${forwarded}`;
  const answer = await line.ask(upgradeRequest('').replace('\r\nHost', `${header}\r\nHost`), /\r\n\r\n/);
  line.socket.destroy();
  return answer;
}

async function refusalsOf(gateway: TestGateway, reason: string): Promise<number> {
  const { text } = await gateway.call('GET', '/metrics');
  return Number(new RegExp(`^gateway_connections_ended_total\\{reason="${reason}"\\} (\\d+)$`, 'm').exec(text)?.[1]);
}

describe('the connections of one address', () => {
  test('are bounded by ADDRESS_CONNECTIONS_MAX, counted, and logged once a minute', async () => {
    const { gateway } = await start({ ADDRESS_CONNECTIONS_MAX: String(MAX), SOCKET_TRANSPORTS: 'websocket,polling' });
    const [first] = await openMany(gateway);
    for (let asked = 0; asked < 20; asked += 1) {
      const answer = await handshake(gateway);
      expect(answer).toMatch(/^HTTP\/1\.1 400 /);
      expect(answer).toContain('too many connections');
    }
    const polling = await gateway.call('GET', '/socket.io/?EIO=4&transport=polling');
    expect(polling.json).toEqual({ code: 4, message: 'too many connections of this address' });
    expect(await refusalsOf(gateway, 'address_limit')).toBe(21);
    expect(lines.filter(({ msg }) => msg.includes('ADDRESS_CONNECTIONS_MAX'))).toHaveLength(1);

    first?.close();
    await expect.poll(() => handshake(gateway)).toMatch(/^HTTP\/1\.1 101 /);
  });

  test('are counted per client behind a trusted proxy', async () => {
    const { gateway } = await start({ ADDRESS_CONNECTIONS_MAX: String(MAX), TRUST_PROXY: '1' });
    const [first = '', second = ''] = CLIENTS;
    await openMany(gateway, { 'X-Forwarded-For': first });
    expect(await handshake(gateway, first)).toMatch(/^HTTP\/1\.1 400 /);
    expect(await handshake(gateway, second)).toMatch(/^HTTP\/1\.1 101 /);
  });

  test('are bounded also without requests', async () => {
    const { gateway } = await start({ ADDRESS_CONNECTIONS_MAX: String(MAX) });
    // As many websockets as HTTP connections are held for one address.
    const silent = [];
    for (let opened = 0; opened < 2 * MAX; opened += 1) silent.push(await openLine(gateway));
    const further = await openLine(gateway);
    await further.closed;
    expect(silent.filter(({ socket }) => socket.destroyed)).toEqual([]);
    // A gateway that stops gives them time for a request, on a clock that stands still here.
    for (const { socket } of silent) socket.destroy();
  });
});

describe('the connections of a node', () => {
  test('are bounded by CONNECTIONS_MAX, regardless of their addresses', async () => {
    const { gateway } = await start({ CONNECTIONS_MAX: String(MAX), TRUST_PROXY: '1' });
    const [first = '', second = ''] = CLIENTS;
    const [leaving] = await openMany(gateway, { 'X-Forwarded-For': first });
    const answer = await handshake(gateway, second);
    expect(answer).toMatch(/^HTTP\/1\.1 400 /);
    expect(answer).toContain('too many connections');
    expect(await refusalsOf(gateway, 'node_limit')).toBe(1);
    expect(lines.filter(({ msg }) => msg.includes('CONNECTIONS_MAX'))).toHaveLength(1);
    leaving?.close();
    await expect.poll(() => handshake(gateway, second)).toMatch(/^HTTP\/1\.1 101 /);
  });

  test('are not exceeded by handshakes that overlap', async () => {
    const { gateway } = await start({ CONNECTIONS_MAX: String(MAX) });
    const lines = await Promise.all(Array.from({ length: 4 * MAX }, () => openLine(gateway)));
    const answers = await Promise.all(lines.map((line) => line.ask(upgradeRequest(''), /\r\n\r\n/)));
    expect(answers.filter((answer) => answer.startsWith('HTTP/1.1 101')).length).toBeGreaterThanOrEqual(MAX);
    // Those beyond were refused, or upgraded at the same moment and closed.
    await expect.poll(() => lines.filter(({ socket }) => !socket.destroyed && !socket.readableEnded)).toHaveLength(MAX);
    for (const { socket } of lines) socket.destroy();
  });
});

describe('a connection that is in no namespace', () => {
  const TIMEOUT_MS = 3000;
  const token = signToken({ uid: 'u' });

  test('is closed after CONNECT_TIMEOUT_MS, regardless of what it sent', async () => {
    const { gateway, clock } = await start({ CONNECT_TIMEOUT_MS: String(TIMEOUT_MS), ALLOW_EIO3: 'true' });
    const silent = await openRaw(gateway);
    const refused = await openRaw(gateway);
    refused.send('40/v1/shared,{"token":"wrong"}');
    expect(await refused.next()).toContain('INVALID_TOKEN');
    // Socket.IO 2 puts each of its clients into `/`, where it is a bystander.
    const old = await openRaw(gateway, 'EIO=3');
    expect(await old.next()).toBe('40');
    const left = await enterRaw(gateway, { namespace: '/v1/lead-finder' });
    const entered = await enterRaw(gateway, { claims: { uid: 'u' } });
    left.send('41/v1/lead-finder,');
    left.send('42/v1/lead-finder,1["join",{}]');

    clock.advance(TIMEOUT_MS - 1);
    for (const connection of [silent, refused, left]) connection.send('3');
    entered.send('42/v1/shared,1["join"]');
    expect(await entered.next()).toContain('43/v1/shared,1');
    expect([silent, refused, old, left].map(({ socket }) => socket.readyState)).toEqual([1, 1, 1, 1]);

    clock.advance(TIMEOUT_MS);
    for (const connection of [silent, refused, old, left]) await connection.closed;
    expect(await refusalsOf(gateway, 'no_namespace')).toBe(4);
    entered.send('42/v1/shared,2["join"]');
    expect(await entered.next()).toContain('43/v1/shared,2');
    entered.close();
  });

  test('stays when it joins in time, also after it has left', async () => {
    const { gateway, clock } = await start({ CONNECT_TIMEOUT_MS: String(TIMEOUT_MS) });
    const connection = await enterRaw(gateway, { claims: { uid: 'u' } });
    connection.send('41/v1/shared,');
    connection.send(`40/v1/lead-finder,`);
    expect(await connection.next()).toContain('40/v1/lead-finder,');
    clock.advance(10 * TIMEOUT_MS);
    connection.send(`40/v1/shared,${JSON.stringify({ token })}`);
    expect(await connection.next()).toContain('40/v1/shared,');
    connection.close();
  });
});

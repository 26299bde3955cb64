import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { deflateRawSync } from 'node:zlib';
import { afterEach, describe, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { createTestClock, type TestClock } from '../../support/clock.js';
import { startGateway, type TestGateway } from '../../support/gateway.js';
import { until } from '../../support/until.js';
import { enterRaw, type RawConnection } from './raw-connection.js';

/** Message limit of a client with a token. The node holds 64 times as much of unfinished frames. */
const MESSAGE_MAX = 65_536;
const NODE_MAX = 64 * MESSAGE_MAX;
const ADDRESS_MAX = NODE_MAX / 4;
/** The payload of each unfinished frame, all but the last byte of which is sent. */
const PAYLOAD = 60_000;
const TIMEOUT_MS = 30_000;

let gateway: TestGateway;
let clock: TestClock;
const connections: RawConnection[] = [];
afterEach(async () => {
  for (const connection of connections.splice(0)) connection.close();
  let isClosed = false;
  const closing = gateway.close().then(() => {
    isClosed = true;
  });
  // The limit for clients that do not confirm a close is a time of the clock too.
  await clock.advanceUntil(100, () => isClosed);
  await closing;
});

async function start(env: Record<string, string> = {}): Promise<void> {
  clock = createTestClock();
  // Heartbeats are of real time, and not what ends a connection here.
  const heartbeat = { PING_INTERVAL_MS: '600000', PING_TIMEOUT_MS: '600000' };
  gateway = await startGateway({ SOCKET_MESSAGE_MAX: String(MESSAGE_MAX), ...heartbeat, ...env }, { clock });
}

async function enter(address = '', claims: Record<string, unknown> = { uid: 'u' }): Promise<RawConnection> {
  const headers: Record<string, string> = address === '' ? {} : { 'X-Forwarded-For': address };
  const connection = await enterRaw(gateway, { claims, headers });
  connections.push(connection);
  return connection;
}

/** The TCP connection below, to which a test writes frames byte by byte. */
const lineOf = ({ socket }: RawConnection): Socket => (socket as unknown as { _socket: Socket })._socket;

/** A frame of a client, masked with zeros. @param head the first byte: FIN, RSV1 and the opcode */
function frame(head: number, payload: Buffer): Buffer {
  const length =
    payload.length < 126
      ? Buffer.from([0x80 | payload.length])
      : Buffer.from([0xfe, payload.length >> 8, payload.length & 255]);
  return Buffer.concat([Buffer.from([head]), length, Buffer.alloc(4), payload]);
}

const TEXT = 0x01;
const CONTINUATION = 0x00;
const PONG = 0x8a;
const FIN = 0x80;
const COMPRESSED = 0x40;

const WHOLE = frame(FIN | TEXT, Buffer.from('42/v1/shared,1["join"]'));
const ALMOST = frame(FIN | TEXT, Buffer.from(`42/v1/shared,1["join",{"a":"${'a'.repeat(PAYLOAD)}"}]`)).subarray(0, -1);
const ANSWER = /^43\/v1\/shared,1\[/;

const isOpen = ({ socket }: RawConnection): boolean => socket.readyState === socket.OPEN;
/** A client that sends whole messages is answered: what was sent before has arrived. */
async function expectServed(connection: RawConnection): Promise<void> {
  lineOf(connection).write(WHOLE);
  expect(await connection.next()).toMatch(ANSWER);
}

describe('frames whose payload is not whole', () => {
  test('are bounded over the node: those that have waited longest are closed', async () => {
    await start({ TRUST_PROXY: '1' });
    const honest = await enter('198.51.100.200');
    const unfinished: RawConnection[] = [];
    const count = Math.ceil(NODE_MAX / PAYLOAD) + 20;
    for (let opened = 0; opened < count; opened += 1) {
      const connection = await enter(`198.51.100.${opened}`, { uid: `u-${opened}` });
      lineOf(connection).write(ALMOST);
      unfinished.push(connection);
    }
    await until(() => unfinished.slice(0, 10).every((connection) => !isOpen(connection)));
    await expectServed(honest);
    expect(unfinished.slice(30).filter((connection) => !isOpen(connection))).toEqual([]);
    const metrics = await gateway.call('GET', '/metrics');
    expect(metrics.text).toMatch(/^gateway_connections_ended_total\{reason="unfinished_frame"\} [1-9]/m);
  });

  test('are bounded for each address', async () => {
    await start({ TRUST_PROXY: '1' });
    const other = await enter('198.51.100.2');
    lineOf(other).write(ALMOST);
    const unfinished: RawConnection[] = [];
    for (let opened = 0; opened < Math.ceil(ADDRESS_MAX / PAYLOAD) + 10; opened += 1) {
      const connection = await enter('198.51.100.1');
      lineOf(connection).write(ALMOST);
      unfinished.push(connection);
    }
    await until(() => unfinished.slice(0, 8).every((connection) => !isOpen(connection)));
    lineOf(other).write(Buffer.from(']'));
    expect(await other.next()).toMatch(ANSWER);
    expect(unfinished.slice(15).filter((connection) => !isOpen(connection))).toEqual([]);
  });

  test.each([
    ['a frame', [ALMOST]],
    ['fragments', [frame(TEXT, Buffer.from('42')), frame(CONTINUATION, Buffer.from('/v1'))]],
    ['a fragment, with pongs behind it', [frame(TEXT, Buffer.from('42')), frame(PONG, Buffer.alloc(0))]],
    ['the first byte of a frame', [Buffer.from([FIN | TEXT])]],
  ])('are bounded in time: %s', async (_name, frames) => {
    await start();
    const unfinished = await enter();
    for (const part of frames) lineOf(unfinished).write(part);
    const honest = await enter();
    lineOf(honest).write(ALMOST);
    await expectServed(await enter());

    clock.advance(TIMEOUT_MS / 2);
    // It is whole, and the next one begins with the same bytes.
    lineOf(honest).write(Buffer.concat([Buffer.from(']'), ALMOST]));
    expect(await honest.next()).toMatch(ANSWER);
    await expectServed(await enter());
    clock.advance(TIMEOUT_MS / 2 + 1);
    await unfinished.closed;
    lineOf(honest).write(Buffer.from(']'));
    expect(await honest.next()).toMatch(ANSWER);
  });

  test('cannot hold more memory than they have bytes, by small fragments between much else', async () => {
    await start();
    const connection = await enter();
    const line = lineOf(connection);
    const pongs = Buffer.concat(Array.from({ length: 500 }, () => frame(PONG, Buffer.alloc(125))));
    line.write(frame(TEXT, Buffer.from('4')));
    for (let sent = 0; sent < 20; sent += 1) {
      line.write(Buffer.concat([pongs, frame(CONTINUATION, Buffer.from('2'))]));
    }
    // So many pongs are read slowly, and each fragment holds what has arrived with it.
    await clock.advanceUntil(500, () => line.destroyed);
    // Pongs alone hold nothing.
    const other = await enter();
    lineOf(other).write(pongs);
    await expectServed(other);
  });

  test('are small on a websocket that a polling client without a token only tries', async () => {
    await start({ SOCKET_TRANSPORTS: 'websocket,polling', SOCKET_OPEN_MAX: '2048' });
    const { text } = await gateway.call('GET', '/socket.io/?EIO=4&transport=polling');
    const { sid } = JSON.parse(text.slice(1)) as { sid: string };
    const socket = new WebSocket(
      `${gateway.url.replace('http', 'ws')}/socket.io/?EIO=4&transport=websocket&sid=${sid}`,
    );
    await once(socket, 'open');
    socket.send(`2${'p'.repeat(4000)}`);
    expect((await once(socket, 'close'))[0]).toBe(1009);
  });

  test('are detected after a compressed one, too', async () => {
    await start({ COMPRESSION_THRESHOLD: '1024' });
    const connection = await enter();
    const text = deflateRawSync(Buffer.from(`42/v1/shared,1["join",{"a":"${randomBytes(2000).toString('hex')}"}]`), {
      finishFlush: 2,
    }).subarray(0, -4);
    lineOf(connection).write(Buffer.concat([frame(FIN | COMPRESSED | TEXT, text), ALMOST.subarray(0, 1000)]));
    expect(await connection.next()).toMatch(ANSWER);
    await expectServed(await enter());
    clock.advance(TIMEOUT_MS + 1);
    await connection.closed;
  });
});

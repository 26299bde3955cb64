import { EventEmitter, once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Server } from 'socket.io';
import { expect, onTestFinished, test } from 'vitest';
import { WebSocket } from 'ws';
import { createHeartbeats } from '../../src/library-internals/heartbeats.js';
import { createTestClock } from '../support/clock.js';

const INTERVAL_MS = 25_000;
/** Longer than a test. */
const NEVER_MS = 600_000;

/** Connections as Engine.IO makes them, whose pings are counted. */
function setUp() {
  const clock = createTestClock();
  const announced: object[] = [];
  const take = createHeartbeats({ intervalMs: INTERVAL_MS, clock, onSend: (connection) => announced.push(connection) });
  const connect = () => {
    let pings = 0;
    const timer = setTimeout(() => {
      pings += 1;
    }, NEVER_MS);
    onTestFinished(() => clearTimeout(timer));
    const connection = Object.assign(new EventEmitter(), { pingIntervalTimer: timer });
    take(connection);
    return {
      pings: () => pings,
      announced: () => announced.filter((one) => one === connection).length,
      pong: () => void connection.pingIntervalTimer.refresh(),
      close: () => void connection.emit('close'),
    };
  };
  return { clock, connect };
}

test('heartbeats that are due within 100 ms are sent together, and none too late', () => {
  const { clock, connect } = setUp();
  const connections = [0, 60, 40, 1].map((laterMs) => {
    clock.advance(laterMs);
    return connect();
  });
  const pings = (): number[] => connections.map((one) => one.pings());
  clock.advance(INTERVAL_MS - 102);
  expect(pings()).toEqual([0, 0, 0, 0]);
  clock.advance(1);
  expect(pings()).toEqual([1, 1, 1, 0]);
  clock.advance(100);
  expect(pings()).toEqual([1, 1, 1, 0]);
  clock.advance(1);
  expect(pings()).toEqual([1, 1, 1, 1]);
});

test('the next heartbeat follows the pong, and a pong that was not asked for moves it', () => {
  const { clock, connect } = setUp();
  const { pings, announced, pong } = connect();
  clock.advance(2 * INTERVAL_MS);
  expect([pings(), announced()]).toEqual([1, 1]);
  pong();
  clock.advance(INTERVAL_MS - 1000);
  pong();
  clock.advance(INTERVAL_MS - 1);
  expect(pings()).toBe(1);
  clock.advance(1);
  expect(pings()).toBe(2);
});

test('a connection that has closed gets none', () => {
  const { clock, connect } = setUp();
  const [closed, open] = [connect(), connect()];
  closed.close();
  clock.advance(INTERVAL_MS);
  expect([closed.pings(), open.pings()]).toEqual([0, 1]);
});

test('a client of Socket.IO is pinged, and waited for until it answers', async () => {
  const clock = createTestClock();
  const io = new Server({
    transports: ['websocket'],
    serveClient: false,
    pingInterval: NEVER_MS,
    pingTimeout: NEVER_MS,
  });
  onTestFinished(() => void io.close());
  const http = createServer().listen(0, '127.0.0.1');
  io.attach(http);
  io.engine.on('connection', createHeartbeats({ intervalMs: INTERVAL_MS, clock, onSend: () => undefined }));
  await once(http, 'listening');
  const { port } = http.address() as AddressInfo;
  const connected = once(io.engine, 'connection') as Promise<[EventEmitter & { pingTimeoutTimer: unknown }]>;
  const client = new WebSocket(`ws://127.0.0.1:${port}/socket.io/?EIO=4&transport=websocket`);
  onTestFinished(() => client.terminate());
  const received: string[] = [];
  client.on('message', (data: Buffer) => received.push(data.toString()));
  const [connection] = await connected;
  for (let round = 0; round < 3; round += 1) {
    clock.advance(INTERVAL_MS);
    await expect.poll(() => received.pop()).toBe('2');
    expect(connection.pingTimeoutTimer).not.toBeNull();
    const answered = once(connection, 'heartbeat');
    client.send('3');
    await answered;
    expect(connection.pingTimeoutTimer).toBeNull();
  }
});

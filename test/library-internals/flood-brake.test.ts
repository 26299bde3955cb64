import { EventEmitter } from 'node:events';
import { PassThrough } from 'node:stream';
import { expect, onTestFinished, test } from 'vitest';
import { createFloodBrake } from '../../src/library-internals/flood-brake.js';
import { pauseReading } from '../../src/library-internals/paused-reading.js';
import { createTestClock } from '../support/clock.js';

/** More than are read at once, and useless enough to be a flood. */
const FLOOD = 1500;
const PACKET_BYTES = 16;

/** A websocket of `ws`, each of whose packets has the same length. */
class TestWebSocket extends EventEmitter {
  readyState = 1;
  handled = 0;
  readonly _socket = new PassThrough({ highWaterMark: 2 ** 20 });

  constructor(handle: () => void) {
    super();
    onTestFinished(() => void this._socket.destroy());
    this._socket.on('data', (chunk: Buffer) => {
      for (let read = 0; read + PACKET_BYTES <= chunk.length; read += PACKET_BYTES) {
        this.handled += 1;
        this.emit('message');
        handle();
      }
    });
  }
  /** In two chunks, of which the first is a flood by itself. */
  flood(): void {
    for (let chunk = 0; chunk < 2; chunk += 1) this._socket.write(Buffer.alloc(FLOOD * PACKET_BYTES));
  }
  pause = (): void => void this._socket.pause();
  resume = (): void => void this._socket.resume();
  terminate(): void {
    this.readyState = 3;
    this._socket.destroy();
    this.emit('close');
  }
}

/** @param credit whether the packets are useful */
function setUp({ isUseful = false } = {}) {
  const clock = createTestClock();
  let floods = 0;
  const brake = createFloodBrake({
    clock,
    onFlood() {
      floods += 1;
    },
  });
  const websocket = new TestWebSocket(() => {
    if (isUseful) brake.credit({ transport: { name: 'websocket', socket: websocket } } as never);
  });
  brake.watch(websocket);
  const settle = () => new Promise((resolve) => setImmediate(resolve));
  return {
    ...{ clock, websocket, brake, settle, floods: () => floods },
    async pass(ms: number) {
      for (let passed = 0; passed < ms; passed += 25) {
        clock.advance(25);
        await settle();
      }
    },
  };
}

test('useless packets are read slowly, all of them, and the client is read as before when it has stopped', async () => {
  const { websocket, settle, pass, floods } = setUp();
  websocket.flood();
  await settle();
  expect([websocket.handled, floods()]).toEqual([FLOOD, 1]);
  await pass(500);
  const first = websocket.handled - FLOOD;
  expect(first).toBeGreaterThan(0);
  expect(first).toBeLessThan(FLOOD / 5);
  await pass(20_000);
  expect(websocket.handled).toBe(2 * FLOOD);
  expect(websocket._socket.isPaused()).toBe(false);
});

test('useful packets are read as they come', async () => {
  const { websocket, settle, floods } = setUp({ isUseful: true });
  websocket.flood();
  await settle();
  expect([websocket.handled, floods()]).toEqual([2 * FLOOD, 0]);
});

test('useless packets over a long time are no flood', async () => {
  const { websocket, clock, settle, floods } = setUp();
  for (let sent = 0; sent < 10; sent += 1) {
    websocket._socket.write(Buffer.alloc(400 * PACKET_BYTES));
    await settle();
    clock.advance(5000);
  }
  expect([websocket.handled, floods()]).toEqual([4000, 0]);
});

test('many floods share the turns of one', async () => {
  const { websocket, brake, settle, pass } = setUp();
  const all = [websocket, ...Array.from({ length: 99 }, () => new TestWebSocket(() => undefined))];
  for (const one of all.slice(1)) brake.watch(one);
  for (const one of all) one.flood();
  await settle();
  const handled = () => all.reduce((sum, one) => sum + one.handled, 0);
  const before = handled();
  await pass(1000);
  // 40 turns of 2 KiB.
  expect(handled() - before).toBeLessThanOrEqual((40 * 2048) / PACKET_BYTES);
  expect(handled() - before).toBeGreaterThan(1000);
});

test('a websocket that waits for another reason is not read', async () => {
  const { websocket, settle, pass } = setUp();
  websocket.flood();
  await settle();
  pauseReading(websocket as never);
  await pass(5000);
  expect(websocket.handled).toBe(FLOOD);
});

test('a client whose websocket the gateway closes meanwhile does not keep it', async () => {
  const { websocket, settle, pass } = setUp();
  websocket.flood();
  await settle();
  websocket.readyState = 2;
  await pass(1000);
  expect(websocket.readyState).toBe(3);
});

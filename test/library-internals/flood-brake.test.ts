import { EventEmitter } from 'node:events';
import { PassThrough } from 'node:stream';
import { expect, onTestFinished, test } from 'vitest';
import { createFloodBrake, type Flood } from '../../src/library-internals/flood-brake.js';
import { handleInSlices, pauseReading, SLICE_BYTES } from '../../src/library-internals/paused-reading.js';
import { createTestClock } from '../support/clock.js';

/** Useless packets that are a flood. */
const FLOOD = 1000;
/** Packets that are read at once. */
const SLICE = 128;
const PACKET_BYTES = 16;

/** As the receiver of `ws`, but each packet has the same length. */
class TestReceiver {
  readonly take: () => void;

  constructor(take: () => void) {
    this.take = take;
  }
  write(chunk: Buffer): boolean {
    for (let read = 0; read + PACKET_BYTES <= chunk.length; read += PACKET_BYTES) this.take();
    return true;
  }
}

/** A websocket of `ws`. */
class TestWebSocket extends EventEmitter {
  readyState = 1;
  handled = 0;
  readonly _socket = new PassThrough({ highWaterMark: 2 ** 20 });
  readonly _receiver: TestReceiver;

  constructor(handle: () => void = () => undefined) {
    super();
    onTestFinished(() => void this._socket.destroy());
    this._receiver = new TestReceiver(() => {
      this.handled += 1;
      this.emit('message');
      handle();
    });
    this._socket.on('data', (chunk: Buffer) => this._receiver.write(chunk));
  }
  /** In one chunk of the network. */
  receive(packets: number): void {
    this._socket.write(Buffer.alloc(packets * PACKET_BYTES));
  }
  flood(): void {
    this.receive(3 * FLOOD);
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
  const floods: Flood<string>[] = [];
  const brake = createFloodBrake<string>({
    clock,
    callerOf: (sender) => sender,
    onFlood: (flood) => floods.push(flood),
  });
  const websocket = new TestWebSocket(() => {
    if (isUseful) brake.credit({ transport: { name: 'websocket', socket: websocket } } as never);
  });
  brake.watch(websocket, 'caller');
  const settle = () => new Promise((resolve) => setImmediate(resolve));
  return {
    clock,
    websocket,
    brake,
    settle,
    floods,
    add(sender: string): TestWebSocket {
      const another = new TestWebSocket();
      brake.watch(another, sender);
      return another;
    },
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
  expect(floods).toEqual([{ sender: 'caller', caller: 'caller', packet: 'message', isFirst: true }]);
  const before = websocket.handled;
  expect(before).toBeLessThanOrEqual(FLOOD + SLICE);
  await pass(500);
  expect(websocket.handled - before).toBe(SLICE);
  await pass(20_000);
  expect(websocket.handled).toBe(3 * FLOOD);
  expect(websocket._socket.isPaused()).toBe(false);
});

test('useful packets are read as they come', async () => {
  const { websocket, settle, floods } = setUp({ isUseful: true });
  websocket.flood();
  await settle();
  expect([websocket.handled, floods.length]).toEqual([3 * FLOOD, 0]);
});

test('useless packets over a long time are no flood', async () => {
  const { websocket, clock, settle, floods } = setUp();
  for (let sent = 0; sent < 10; sent += 1) {
    websocket.receive(800);
    await settle();
    clock.advance(5000);
  }
  expect([websocket.handled, floods.length]).toEqual([8000, 0]);
});

test('connections of one caller that flood together are slowed down, and one that sends little is not', async () => {
  const { add, settle, floods } = setUp();
  const all = Array.from({ length: 20 }, () => add('flooder'));
  for (const one of all) one.receive(FLOOD / 10);
  await settle();
  for (const one of all) one.receive(FLOOD);
  const quiet = add('flooder');
  quiet.receive(50);
  await settle();
  quiet.receive(40);
  await settle();
  expect(floods).toHaveLength(all.length);
  expect(floods.filter(({ isFirst }) => isFirst)).toHaveLength(1);
  for (const one of all) expect(one.handled).toBeLessThanOrEqual(FLOOD / 5 + SLICE);
  expect(quiet.handled).toBe(90);
});

test('of very many callers who flood together, those who go on are slowed down, and each is named once', async () => {
  const { add, settle, floods } = setUp();
  const all = Array.from({ length: 100 }, (_, index) => add(`caller ${index}`));
  for (let round = 0; round < 2; round += 1) {
    for (const one of all) one.receive(FLOOD / 2 - 1);
    await settle();
  }
  const quiet = add('quiet caller');
  quiet.receive(90);
  await settle();
  expect(quiet.handled).toBe(90);
  // An allowance of 20,000, and what each sends before it has sent a hundred of its own since.
  const handled = all.reduce((sum, one) => sum + one.handled, 0);
  expect(handled).toBeLessThan(20_000 + all.length * (100 + SLICE));
  expect(floods.every(({ isFirst }) => isFirst)).toBe(true);
  expect(new Set(floods.map(({ caller }) => caller)).size).toBe(floods.length);
  expect(floods.length).toBeGreaterThan(all.length / 2);
});

test('callers who flood together each have their own allowance', async () => {
  const { add, settle, floods } = setUp();
  const all = Array.from({ length: 20 }, (_, index) => add(`caller ${index}`));
  for (const one of all) one.receive(FLOOD - 1);
  await settle();
  expect(floods).toEqual([]);
  expect(all.map(({ handled }) => handled)).toEqual(all.map(() => FLOOD - 1));
});

test('a connection counts for those whom it turns out to belong to', async () => {
  const { add, brake, settle, floods } = setUp();
  const all = Array.from({ length: 20 }, () => add('address'));
  for (const [index, socket] of all.entries()) {
    brake.identify({ transport: { name: 'websocket', socket } } as never, `user ${index}`);
    socket.receive(FLOOD - 1);
  }
  await settle();
  expect(floods).toEqual([]);
  all[0]?.receive(100);
  await settle();
  expect(floods).toMatchObject([{ caller: 'user 0' }]);
});

test('many floods share the turns of one', async () => {
  const { add, settle, pass } = setUp();
  const all = Array.from({ length: 100 }, () => add('caller'));
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
  const before = websocket.handled;
  pauseReading(websocket as never);
  await pass(5000);
  expect(websocket.handled).toBe(before);
});

test('a client whose websocket the gateway closes meanwhile does not keep it', async () => {
  const { websocket, settle, pass } = setUp();
  websocket.flood();
  await settle();
  websocket.readyState = 2;
  await pass(1000);
  expect(websocket.readyState).toBe(3);
});

test('what arrives for a receiver without room waits, also within one chunk of the network', async () => {
  const line = new PassThrough();
  onTestFinished(() => void line.destroy());
  class FullReceiver {
    received: number[] = [];
    write(chunk: Buffer): boolean {
      this.received.push(chunk.length);
      return false;
    }
  }
  const receiver = new FullReceiver();
  handleInSlices({ _socket: line as never, _receiver: receiver });
  // As `ws` does.
  line.on('data', (chunk: Buffer) => {
    if (!receiver.write(chunk)) line.pause();
  });
  line.write(Buffer.alloc(2 * SLICE_BYTES + 1));
  const settle = () => new Promise((resolve) => setImmediate(resolve));
  for (const expected of [[SLICE_BYTES], [SLICE_BYTES, SLICE_BYTES], [SLICE_BYTES, SLICE_BYTES, 1]]) {
    await settle();
    expect(receiver.received).toEqual(expected);
    line.resume();
  }
});

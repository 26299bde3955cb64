import { once } from 'node:events';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { Server, type Socket } from 'socket.io';
import { Encoder, type Packet, PacketType } from 'socket.io-parser';
import { expect, onTestFinished, test, vi } from 'vitest';
import { WebSocket } from 'ws';
import { createPacketParser } from '../../src/library-internals/packet-decoder.js';
import {
  joinBroadcastFrames,
  joinWrites,
  toTextFrame,
  writeDirectly,
} from '../../src/library-internals/text-frames.js';
import { createTestClock } from '../support/clock.js';

const TEXTS = [0, 1, 125, 126, 127, 16_384, 16_385, 65_535, 65_536].flatMap((bytes) => [
  'x'.repeat(bytes),
  'ä'.repeat(bytes / 2),
]);

test('a text frame is the one that ws makes', () => {
  const { Sender } = createRequire(import.meta.url)('ws') as {
    Sender: { frame(data: Buffer, options: object): Buffer[] };
  };
  const options = { fin: true, opcode: 1, mask: false, readOnly: false, rsv1: false };
  for (const text of [...TEXTS, '\ud800', '😀']) {
    expect(toTextFrame(text).equals(Buffer.concat(Sender.frame(Buffer.from(text), options)))).toBe(true);
  }
});

interface ConnectOptions {
  readonly perMessageDeflate: boolean;
  /** The client begins with polling. */
  readonly isUpgraded?: boolean;
}

/** A Socket.IO server that writes directly, and the packets that its client gets, in order. */
async function connect({ perMessageDeflate, isUpgraded = false }: ConnectOptions) {
  const options = { perMessageDeflate };
  const io = new Server({ transports: ['polling', 'websocket'], serveClient: false, ...options });
  joinBroadcastFrames(io.of('/'));
  const http = createServer().listen(0, '127.0.0.1');
  io.attach(http);
  io.engine.on('connection', writeDirectly);
  onTestFinished(() => void io.close());
  await once(http, 'listening');
  const connected = once(io, 'connection') as Promise<[Socket]>;
  const { port } = http.address() as AddressInfo;
  const sid = isUpgraded ? `&sid=${await openByPolling(port)}` : '';
  const client = new WebSocket(`ws://127.0.0.1:${port}/socket.io/?EIO=4&transport=websocket${sid}`, options);
  onTestFinished(() => client.terminate());
  const received: string[] = [];
  client.on('message', (data: Buffer) => received.push(data.toString()));
  if (isUpgraded) client.once('open', () => client.send('2probe'));
  client.once('message', () => {
    if (isUpgraded) client.send('5');
    client.send('40');
  });
  const [socket] = await connected;
  return { io, socket, client, received };
}

/** @returns the id of the connection */
async function openByPolling(port: number): Promise<string> {
  const response = await fetch(`http://127.0.0.1:${port}/socket.io/?EIO=4&transport=polling`);
  return (JSON.parse((await response.text()).slice(1)) as { sid: string }).sid;
}

const toPacket = (event: string, text: string): string => `42${JSON.stringify([event, text])}`;

test.each([false, true])('packets arrive as they were sent, in order, compressed: %s', async (perMessageDeflate) => {
  const { io, socket, received } = await connect({ perMessageDeflate });
  const expected: string[] = [];
  for (const text of [...TEXTS, '😀']) {
    socket.emit('one', text);
    io.emit('all', text);
    expected.push(toPacket('one', text), toPacket('all', text));
    // The next one finds an idle connection.
    if (text.length % 2 === 0) await new Promise<void>((resolve) => socket.conn.once('drain', resolve));
  }
  await expect.poll(() => received.length).toBe(expected.length + 2);
  // Not by `toEqual`, which would print megabytes.
  expect(received.slice(2).every((packet, index) => packet === expected[index])).toBe(true);
});

test('while a client does not read, packets wait in the queue of Engine.IO, which bounds them', async () => {
  const { io, socket, client } = await connect({ perMessageDeflate: false });
  client.pause();
  for (let n = 0; n < 50; n += 1) {
    io.emit('all', 'x'.repeat(1_000_000));
    await new Promise(setImmediate);
  }
  const { writeBuffer } = socket.conn as unknown as { writeBuffer: readonly unknown[] };
  expect(writeBuffer.length).toBeGreaterThan(10);
  client.resume();
  await expect.poll(() => writeBuffer === (socket.conn as unknown as { writeBuffer: unknown }).writeBuffer).toBe(false);
});

/** The writes that a socket asks the system for. */
function countWrites(socket: Socket): () => number {
  const { transport } = socket.conn as unknown as { transport: { socket: { _socket: Duplex } } };
  const stream = transport.socket._socket;
  const one = vi.spyOn(stream, '_write');
  const several = vi.spyOn(stream as Required<Duplex>, '_writev');
  return () => one.mock.calls.length + several.mock.calls.length;
}

test.each([false, true])('the packets of one turn are two writes, after an upgrade: %s', async (isUpgraded) => {
  const { socket, received } = await connect({ perMessageDeflate: false, isUpgraded });
  const count = countWrites(socket);
  const expected = Array.from({ length: 20 }, (_, n) => toPacket('one', `number ${n}`));
  for (const n of expected.keys()) socket.emit('one', `number ${n}`);
  await expect.poll(() => received.slice(-20)).toEqual(expected);
  expect(count()).toBe(2);
});

test.each([1, 20])(
  '%i packets that are sent together are one write, also while others are sent alone',
  async (count) => {
    const { io, socket, received } = await connect({ perMessageDeflate: false });
    const writes = countWrites(socket);
    const send = (): void => {
      for (let n = 0; n < count; n += 1) (n % 2 === 0 ? io : socket).emit('one', `number ${n}`);
    };
    joinWrites(() => joinWrites(send));
    const expected = Array.from({ length: count }, (_, n) => toPacket('one', `number ${n}`));
    await expect.poll(() => received.slice(-count)).toEqual(expected);
    expect(writes()).toBe(1);
    socket.emit('one', 'alone');
    await expect.poll(() => received.at(-1)).toBe(toPacket('one', 'alone'));
  },
);

test.each([
  ['one by one', (send: () => void) => send()],
  ['together', joinWrites],
])(
  'large packets to many clients, sent %s, are written in several turns, each client gets its own in order',
  async (_how, sendAll) => {
    const clients = await Promise.all(Array.from({ length: 12 }, () => connect({ perMessageDeflate: false })));
    const counts = clients.map(({ socket }) => countWrites(socket));
    const written = (): number => counts.filter((count) => count() > 0).length;
    const large = 'x'.repeat(1_000_000);
    const following = ['second', `${large}y`, 'third'];
    sendAll(() => {
      for (const { socket } of clients) socket.emit('one', large);
    });
    const inOneTurn = written();
    expect(inOneTurn).toBeGreaterThan(0);
    expect(inOneTurn).toBeLessThan(clients.length);
    // What follows comes behind it. Of two large packets the first is not held back any more.
    for (const { socket } of clients) {
      for (const text of following) socket.emit('one', text);
    }
    expect(written()).toBe(clients.length);
    const expected = [large, ...following].map((text) => toPacket('one', text));
    for (const { received } of clients) {
      await expect.poll(() => received.length).toBe(expected.length + 2);
      // Not by `toEqual`, which would print megabytes.
      expect(received.slice(2).every((packet, index) => packet === expected[index])).toBe(true);
    }
  },
);

test('large packets that wait for their turn are written also when nothing follows', async () => {
  const clients = await Promise.all(Array.from({ length: 20 }, () => connect({ perMessageDeflate: false })));
  const large = 'x'.repeat(1_000_000);
  for (const { socket } of clients) socket.emit('one', large);
  for (const { received } of clients) await expect.poll(() => received.at(-1) === toPacket('one', large)).toBe(true);
});

test('a connection whose flush fails does not keep back the packets of others', async () => {
  const failing = await connect({ perMessageDeflate: false });
  const other = await connect({ perMessageDeflate: false });
  failing.socket.conn.once('flush', () => {
    throw new Error('a listener failed');
  });
  const send = (): void => {
    for (const { socket } of [failing, other]) socket.emit('one', 'together');
  };
  expect(() => joinWrites(send)).toThrow('a listener failed');
  await expect.poll(() => other.received.at(-1)).toBe(toPacket('one', 'together'));
});

test('what was sent before an error or the end of a connection arrives', async () => {
  const { socket, client, received } = await connect({ perMessageDeflate: false });
  const fail = (): void => {
    socket.emit('one', 'before the error');
    throw new Error('a failure');
  };
  expect(() => joinWrites(fail)).toThrow('a failure');
  await expect.poll(() => received.at(-1)).toBe(toPacket('one', 'before the error'));
  const closed = once(client, 'close');
  joinWrites(() => {
    socket.emit('one', 'before the end');
    socket.disconnect(true);
  });
  await closed;
  expect(received).toContain(toPacket('one', 'before the end'));
});

test('the system takes more packets of one turn at once than it takes buffers', async () => {
  const { socket } = await connect({ perMessageDeflate: false });
  for (let n = 0; n < 1500; n += 1) socket.emit('one', n);
  const { transport } = socket.conn as unknown as { transport: { writable: boolean } };
  expect(transport.writable).toBe(false);
  // Both writes end within this turn of the event loop.
  for (let tick = 0; tick < 5; tick += 1) await new Promise<void>((resolve) => process.nextTick(resolve));
  expect(transport.writable).toBe(true);
});

test('a ping that finds nothing waiting is one buffer', async () => {
  const { socket, received } = await connect({ perMessageDeflate: false });
  const { transport } = socket.conn as unknown as { transport: { socket: { _socket: Duplex } } };
  const write = vi.spyOn(transport.socket._socket, 'write');
  sendPing(socket);
  await expect.poll(() => received.at(-1)).toBe('2');
  expect(write).toHaveBeenCalledTimes(1);
  socket.emit('one', 'after it');
  await expect.poll(() => received.at(-1)).toBe(toPacket('one', 'after it'));
});

const sendPing = ({ conn }: Socket): void => (conn as unknown as { sendPacket(type: string): void }).sendPacket('ping');

test('packets of several kinds keep their order', async () => {
  const { socket, received } = await connect({ perMessageDeflate: false });
  socket.emit('one', 'first');
  socket.emit('one', 'second');
  sendPing(socket);
  socket.emit('one', 'third');
  const expected = [toPacket('one', 'first'), toPacket('one', 'second'), '2', toPacket('one', 'third')];
  await expect.poll(() => received.slice(-4)).toEqual(expected);
});

test('packets are encoded as Socket.IO does', () => {
  const parser = createPacketParser({ clock: createTestClock(), openMax: 100, attachmentTimeoutMs: 100 });
  const [own, original] = [new parser.Encoder(), new Encoder()];
  const packets: Packet[] = [
    { type: PacketType.CONNECT, nsp: '/', data: { sid: 'x' } },
    { type: PacketType.CONNECT, nsp: '/v1/shared', data: { sid: 'x' } },
    { type: PacketType.DISCONNECT, nsp: '/v1/shared' },
    { type: PacketType.CONNECT_ERROR, nsp: '/', data: { message: 'no' } },
    { type: PacketType.EVENT, nsp: '/', data: ['e'] },
    {
      type: PacketType.EVENT,
      nsp: '/v1/shared',
      id: 0,
      data: ['e', null, undefined, new Date(0), { a: [1, 'ä\ud800'] }],
    },
    { type: PacketType.ACK, nsp: '/v1/shared', id: 7, data: [{ toJSON: () => 'text' }] },
    { type: PacketType.ACK, nsp: '/', id: 7, data: [] },
  ];
  for (const packet of packets) expect(own.encode(packet)).toEqual(original.encode(packet));
});

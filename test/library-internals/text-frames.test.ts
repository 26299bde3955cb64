import { once } from 'node:events';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import { Encoder, type Packet, PacketType } from 'socket.io-parser';
import { expect, onTestFinished, test } from 'vitest';
import { WebSocket, WebSocketServer } from 'ws';
import { createPacketParser } from '../../src/library-internals/packet-decoder.js';
import { joinFrames, toTextFrame } from '../../src/library-internals/text-frames.js';
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

test.each([false, true])('joined frames arrive as they were sent, compressed: %s', async (perMessageDeflate) => {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1', perMessageDeflate });
  onTestFinished(() => void server.close());
  await once(server, 'listening');
  const connected = once(server, 'connection') as Promise<[WebSocket]>;
  const client = new WebSocket(`ws://127.0.0.1:${(server.address() as AddressInfo).port}`, { perMessageDeflate });
  onTestFinished(() => client.terminate());
  const [socket] = await connected;
  joinFrames(socket);
  const sent: (string | Buffer)[] = TEXTS.flatMap((text) => [text, Buffer.from(text)]);
  const received: (string | Buffer)[] = [];
  const all = new Promise<void>((resolve) => {
    client.on('message', (data: Buffer, isBinary) => {
      received.push(isBinary ? data : data.toString());
      if (received.length === sent.length) resolve();
    });
  });
  const written = sent.map((data) => new Promise<unknown>((resolve) => socket.send(data, resolve)));
  await all;
  // Not by `toEqual`, which compares buffers byte by byte.
  const isSame = (data: string | Buffer, index: number): boolean => {
    const other = sent[index];
    return typeof data === 'string' ? data === other : Buffer.isBuffer(other) && data.equals(other);
  };
  expect(received.map(isSame)).toEqual(sent.map(() => true));
  expect((await Promise.all(written)).every((error) => error === undefined || error === null)).toBe(true);
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

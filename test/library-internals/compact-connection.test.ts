import { type EventEmitter, once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Server, type Socket } from 'socket.io';
import { io as connectClient } from 'socket.io-client';
import { expect, onTestFinished, test, vi } from 'vitest';
import { compactConnection } from '../../src/library-internals/compact-connection.js';
import type { GatewaySocket } from '../../src/sockets/socket.js';

/** Connects one client. @returns both ends, before anything is compacted */
async function connectPair(transports: ('websocket' | 'polling')[]) {
  const http = createServer().listen(0, '127.0.0.1');
  const io = new Server(http);
  await once(http, 'listening');
  const connected = new Promise<GatewaySocket>((resolve) => {
    io.on('connection', (socket) => resolve(socket as unknown as GatewaySocket));
  });
  const client = connectClient(`http://127.0.0.1:${(http.address() as AddressInfo).port}`, { transports });
  onTestFinished(async () => {
    client.close();
    await io.close();
  });
  return { client, io, socket: await connected };
}

const websocketOf = ({ conn }: GatewaySocket) =>
  (conn.transport as unknown as { socket: EventEmitter & { _socket: EventEmitter; _receiver: EventEmitter } }).socket;

const emittersOf = (socket: GatewaySocket): EventEmitter[] => [
  socket.conn as unknown as EventEmitter,
  socket.conn.transport as unknown as EventEmitter,
  websocketOf(socket),
  websocketOf(socket)._socket,
  websocketOf(socket)._receiver,
];

/** Without the names that Node.js keeps for no listener. */
const listenersOf = (emitter: EventEmitter) =>
  new Map(
    emitter
      .eventNames()
      .map((name) => [name, emitter.listeners(name)] as const)
      .filter(([, listeners]) => listeners.length > 0),
  );

test('keeps every listener except the two that are no longer needed', async () => {
  const { socket } = await connectPair(['websocket']);
  const before = emittersOf(socket).map(listenersOf);
  compactConnection(socket);
  const [connection, transport, websocket, line, receiver] = emittersOf(socket).map(listenersOf);

  expect(connection).toEqual(before[0]);
  expect(line).toEqual(before[3]);
  expect(receiver).toEqual(before[4]);
  before[1]?.delete('headers');
  expect(transport).toEqual(before[1]);
  const [upgrade, ...errors] = before[2]?.get('error') ?? [];
  expect(upgrade?.name).toBe('onUpgradeError');
  expect(errors).toHaveLength(1);
  expect(websocket).toEqual(before[2]?.set('error', errors));
});

test('what happens once has listeners without wrappers, and calls each of them once', async () => {
  const { client, socket } = await connectPair(['websocket']);
  const connection = socket.conn as unknown as EventEmitter;
  const closed = vi.fn();
  connection.once('close', closed);
  compactConnection(socket);
  for (const emitter of emittersOf(socket)) {
    for (const name of ['close', 'error']) expect(emitter.rawListeners(name)).toEqual(emitter.listeners(name));
  }
  const ended = once(connection, 'close');
  client.close();
  await ended;
  socket.conn.close();
  expect(closed).toHaveBeenCalledTimes(1);
});

test('a compacted connection can enter another namespace, leave it, and be asked several things at once', async () => {
  const { client, io, socket } = await connectPair(['websocket']);
  compactConnection(socket);
  const other = client.io.socket('/other');
  const entered = new Promise<Socket>((resolve) => io.of('/other').on('connection', resolve));
  other.connect();
  const second = await entered;
  const namespaces = () => [...(socket.client as unknown as { nsps: Map<string, unknown> }).nsps.keys()];
  expect(namespaces()).toEqual(['/', '/other']);

  client.on('question', (number: number, answer: (reply: number) => void) => answer(2 * number));
  const ask = (number: number) => (socket as unknown as Socket).emitWithAck('question', number);
  expect(await Promise.all([1, 2, 3].map(ask))).toEqual([2, 4, 6]);
  expect((socket as unknown as { acks: Map<number, unknown> }).acks.size).toBe(0);

  second.disconnect();
  expect(namespaces()).toEqual(['/']);
  const ended = new Promise((resolve) => socket.on('disconnect', resolve));
  client.io.engine.close();
  expect(await ended).toBe('transport close');
});

test.each([['websocket'], ['polling']] as const)('a compacted %s connection works and closes', async (transport) => {
  const { client, socket } = await connectPair([transport]);
  socket.use(([event, text], next) => next(event === 'refused' ? new Error(String(text)) : undefined));
  compactConnection(socket);
  (socket as unknown as EventEmitter).on('ask', (text: string, answer: (reply: string) => void) => answer(`${text}!`));

  expect(await client.emitWithAck('ask', 'hello')).toBe('hello!');
  client.on('question', (answer: (reply: string) => void) => answer('an answer'));
  expect(await (socket as unknown as Socket).emitWithAck('question')).toBe('an answer');
  const ended = new Promise((resolve) => socket.on('disconnect', resolve));
  client.close();
  expect(await ended).toBe('client namespace disconnect');
});

test('a polling connection that was compacted can still be upgraded', async () => {
  const { client, socket } = await connectPair(['polling', 'websocket']);
  compactConnection(socket);
  if (socket.conn.transport.name === 'polling') await once(socket.conn as unknown as EventEmitter, 'upgrade');
  (socket as unknown as EventEmitter).on('ask', (answer: (reply: string) => void) => answer('yes'));
  expect(await client.emitWithAck('ask')).toBe('yes');
  expect(socket.conn.transport.name).toBe('websocket');
});

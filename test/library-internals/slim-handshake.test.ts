import { type EventEmitter, once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { Server } from 'socket.io';
import { io } from 'socket.io-client';
import { expect, onTestFinished, test } from 'vitest';
import { createRequestSlimmer } from '../../src/library-internals/slim-handshake.js';

test('a connection keeps no HTTP request, neither itself nor in the response to its upgrade', async () => {
  const http = createServer();
  const server = new Server(http);
  const responses: EventEmitter[] = [];
  server.engine.use((_request: IncomingMessage, response: EventEmitter, next: () => void) => {
    responses.push(response);
    next();
  });
  server.engine.on('connection', createRequestSlimmer(server.engine));
  http.listen(0, '127.0.0.1');
  await once(http, 'listening');
  const client = io(`http://127.0.0.1:${(http.address() as AddressInfo).port}`, { transports: ['websocket'] });
  onTestFinished(async () => {
    client.close();
    await server.close();
  });
  const ended: string[] = [];
  await once(server, 'connection');
  expect(responses).toHaveLength(1);
  for (const response of responses) response.on('close', () => ended.push('response'));
  const [connection] = Object.values((server.engine as unknown as { clients: Record<string, object> }).clients);
  expect(connection).toMatchObject({ request: { headers: {}, _query: {} } });
  expect((connection as { request: object }).request).not.toHaveProperty('rawHeaders');
  const closed = new Promise((resolve) => (connection as EventEmitter).once('close', resolve));
  const { _socket: line } = (connection as { transport: { socket: { _socket: EventEmitter } } }).transport.socket;
  const isDown = once(line, 'close');
  client.close();
  await Promise.all([closed, isDown]);
  expect(ended, 'no listener of the TCP socket holds the response').toEqual([]);
});

test('the end of a connection is noticed, also when nothing delays its upgrade', async () => {
  const http = createServer();
  const server = new Server(http);
  server.engine.on('connection', createRequestSlimmer(server.engine));
  http.listen(0, '127.0.0.1');
  await once(http, 'listening');
  const lines: Socket[] = [];
  http.on('connection', (line) => lines.push(line));
  const client = io(`http://127.0.0.1:${(http.address() as AddressInfo).port}`, {
    transports: ['websocket'],
    reconnection: false,
  });
  onTestFinished(async () => {
    client.close();
    await server.close();
  });
  const [socket] = (await once(server, 'connection')) as [EventEmitter];
  const left = once(socket, 'disconnect');
  for (const line of lines) line.destroy();
  expect(await left).toContain('transport close');
});

test('of the query a connection keeps what a contract names, and not the thousands of others that a client can send', async () => {
  const http = createServer();
  const server = new Server(http);
  server.engine.on('connection', createRequestSlimmer(server.engine));
  http.listen(0, '127.0.0.1');
  await once(http, 'listening');
  const others = Object.fromEntries(Array.from({ length: 2000 }, (_, n) => [`p${n}`, '']));
  const asked = { token: 'a token', deviceId: 'phone', meta: 'a page', departmentId: 'sales' };
  const client = io(`http://127.0.0.1:${(http.address() as AddressInfo).port}`, {
    transports: ['websocket'],
    query: { ...others, ...asked },
  });
  onTestFinished(async () => {
    client.close();
    await server.close();
  });
  const [socket] = (await once(server, 'connection')) as [{ handshake: { query: object } }];
  expect(socket.handshake.query).toEqual(asked);
});

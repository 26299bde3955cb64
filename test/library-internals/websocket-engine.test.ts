import { once } from 'node:events';
import { createServer, get, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { Server } from 'socket.io';
import { expect, onTestFinished, test, vi } from 'vitest';
import { WebSocket } from 'ws';
import { createWebSocketEngine } from '../../src/library-internals/websocket-engine.js';

/** A Socket.IO server with the engine, and the writes to the connections of websockets. */
async function start() {
  const begun = vi.fn();
  const http = createServer();
  const writes = { count: 0 };
  http.on('upgrade', (_request, socket: Required<Duplex>) => {
    const { _write, _writev } = socket;
    socket._write = (...args) => {
      writes.count += 1;
      _write.apply(socket, args);
    };
    socket._writev = (...args) => {
      writes.count += 1;
      _writev.apply(socket, args);
    };
  });
  const io = new Server(http, { serveClient: false, wsEngine: createWebSocketEngine(begun) });
  http.listen(0, '127.0.0.1');
  onTestFinished(() => void io.close());
  await once(http, 'listening');
  return { begun, writes, port: (http.address() as AddressInfo).port };
}

test('the response to an upgrade and the first packet are one write', async () => {
  const { begun, writes, port } = await start();
  const client = new WebSocket(`ws://127.0.0.1:${port}/socket.io/?EIO=4&transport=websocket`);
  onTestFinished(() => client.terminate());
  const [packet] = await once(client, 'message');
  expect(String(packet)).toMatch(/^0\{"sid"/);
  expect(begun).toHaveBeenCalledTimes(1);
  expect(writes.count).toBe(1);
});

test('an upgrade that `ws` refuses is answered', async () => {
  const { begun, port } = await start();
  const headers = { connection: 'Upgrade', upgrade: 'websocket' };
  const [response] = await once(get({ port, headers, path: '/socket.io/?EIO=4&transport=websocket' }), 'response');
  expect((response as IncomingMessage).statusCode).toBe(400);
  expect(begun).not.toHaveBeenCalled();
});

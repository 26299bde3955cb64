import { once } from 'node:events';
import { createServer, type IncomingMessage, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { expect, onTestFinished, test, vi } from 'vitest';
import { WebSocket } from 'ws';
import { createWebSocketEngine } from '../../src/library-internals/websocket-engine.js';

/** Serves websockets that send two texts as Engine.IO does: some microtasks after the upgrade. */
async function serve(onUpgrade: (socket: Duplex) => void): Promise<string> {
  const server = createServer();
  onTestFinished(() => void server.close());
  const Engine = createWebSocketEngine(() => undefined);
  const engine = new Engine({ noServer: true });
  server.on('upgrade', (upgrade, socket, head) => {
    onUpgrade(socket);
    engine.handleUpgrade(upgrade, socket, head, (websocket: WebSocket) => {
      queueMicrotask(() => queueMicrotask(() => websocket.send('first')));
      setImmediate(() => websocket.send('later'));
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

test('the response to an upgrade and the first frame are one write', async () => {
  const writes: string[] = [];
  const address = await serve((socket) => {
    for (const method of ['_write', '_writev'] as const) {
      const write = socket[method]?.bind(socket) as (...args: unknown[]) => void;
      vi.spyOn(socket as Required<Duplex>, method).mockImplementation((...args: unknown[]) => {
        writes.push(method);
        write(...args);
      });
    }
  });
  const client = new WebSocket(`ws://${address}`);
  onTestFinished(() => client.terminate());
  const received: string[] = [];
  client.on('message', (data: Buffer) => void received.push(data.toString()));
  await vi.waitUntil(() => received.length === 2);
  expect(received).toEqual(['first', 'later']);
  expect(writes).toHaveLength(2);
});

test('an upgrade that is refused is answered', async () => {
  const address = await serve(() => undefined);
  const headers = { connection: 'upgrade', upgrade: 'websocket', 'sec-websocket-version': '7' };
  const call = request(`http://${address}`, { headers }).end();
  const [{ statusCode }] = (await once(call, 'response')) as [IncomingMessage];
  expect(statusCode).toBe(400);
});

import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Server } from 'socket.io';
import { io } from 'socket.io-client';
import { expect, onTestFinished, test } from 'vitest';
import { createRequestSlimmer } from '../../src/library-internals/slim-handshake.js';

test('a connection keeps no HTTP request, neither itself nor in the response to its upgrade', async () => {
  const http = createServer();
  const server = new Server(http);
  const responses: { req?: unknown }[] = [];
  const requests: unknown[] = [];
  server.engine.use((_request: IncomingMessage, response: { req?: unknown }, next: () => void) => {
    responses.push(response);
    requests.push(response.req);
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
  await once(server, 'connection');
  expect(requests, 'Engine.IO keeps the request here').toEqual([expect.objectContaining({ url: expect.anything() })]);
  expect(responses.map(({ req }) => req)).toEqual([undefined]);
  const [connection] = Object.values((server.engine as unknown as { clients: Record<string, object> }).clients);
  expect(connection).toMatchObject({ request: { headers: {}, _query: {} } });
  expect((connection as { request: object }).request).not.toHaveProperty('rawHeaders');
});

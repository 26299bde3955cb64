import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Server } from 'socket.io';
import { expect, onTestFinished, test } from 'vitest';
import { createConnects } from '../../src/library-internals/connects.js';
import { openRaw } from '../transport/hostile/raw-connection.js';

test('an acknowledgement is useful once, if it was asked for', async () => {
  const http = createServer().listen(0, '127.0.0.1');
  const io = new Server(http);
  await once(http, 'listening');
  onTestFinished(() => io.close());
  let credited = 0;
  const connects = createConnects({
    credit() {
      credited += 1;
    },
  });
  connects.guard(io.of('/') as never);
  const acknowledged: unknown[] = [];
  io.use((socket, next) => {
    next();
    process.nextTick(() => connects.settle(socket as never));
  });
  io.on('connection', (socket) => {
    socket.emit('message', (answer: unknown) => acknowledged.push(answer));
    socket.on('asked', (acknowledge: () => void) => acknowledge());
  });

  const connection = await openRaw({ url: `http://127.0.0.1:${(http.address() as AddressInfo).port}` });
  connection.send('40');
  expect(await connection.next()).toMatch(/^40\{/);
  expect(await connection.next()).toBe('420["message"]');
  for (const packet of ['431["never"]', '430["first"]', '430["again"]', '429["asked"]']) connection.send(packet);
  expect(await connection.next()).toBe('439[]');
  expect(acknowledged).toEqual(['first']);
  expect(credited).toBe(1);
  connection.close();
});

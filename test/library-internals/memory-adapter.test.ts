import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Server } from 'socket.io';
import { io as connect } from 'socket.io-client';
import { expect, onTestFinished, test } from 'vitest';
import { lookBeforeEncoding } from '../../src/library-internals/memory-adapter.js';

test('an event for rooms without sockets is not encoded', async () => {
  const http = createServer().listen(0, '127.0.0.1');
  await once(http, 'listening');
  const io = new Server(http);
  lookBeforeEncoding(io.of('/'));
  const client = connect(`http://127.0.0.1:${(http.address() as AddressInfo).port}`, { transports: ['websocket'] });
  onTestFinished(async () => {
    client.close();
    await io.close();
  });
  const [socket] = await once(io, 'connection');
  socket.join('here');
  let encoded = 0;
  const payload = {
    toJSON() {
      encoded += 1;
      return 'text';
    },
  };
  io.to('nowhere').to('elsewhere').emit('news', payload);
  expect(encoded).toBe(0);
  const received: string[] = [];
  client.on('news', (text: string) => received.push(text));
  io.to('nowhere').to('here').emit('news', payload);
  io.emit('news', payload);
  io.except('nowhere').emit('news', payload);
  socket.emit('end');
  await new Promise<void>((resolve) => client.once('end', resolve));
  expect(received).toEqual(['text', 'text', 'text']);
});

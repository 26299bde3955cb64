import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import jwt from 'jsonwebtoken';
import { WebSocketServer } from 'ws';
import { SECRET } from '../wire.js';
import { reportUsage } from './report-usage.js';

/** The baseline: websockets without a protocol on top. The token is checked at the upgrade; one route broadcasts. */
const http = createServer(async (request, response) => {
  const event = request.url?.split('/').at(-1) ?? '';
  let body = '';
  for await (const chunk of request.setEncoding('utf8')) body += chunk;
  const text = JSON.stringify([event, JSON.parse(body)]);
  for (const client of sockets.clients) client.send(text);
  response.setHeader('content-type', 'application/json');
  const answer = Buffer.from(
    JSON.stringify({ success: true, message: 'SUCCESS', data: { sockets: sockets.clients.size } }),
  );
  response.setHeader('content-length', answer.length).end(answer);
});
const sockets = new WebSocketServer({ noServer: true });
http.on('upgrade', (request, socket, head) => {
  try {
    const token = new URL(request.url ?? '', 'http://localhost').searchParams.get('token') ?? '';
    jwt.verify(token, SECRET, { algorithms: ['HS256'] });
    sockets.handleUpgrade(request, socket, head, (client) => sockets.emit('connection', client, request));
  } catch {
    socket.destroy();
  }
});

http.listen(0, '127.0.0.1');
await once(http, 'listening');
reportUsage((http.address() as AddressInfo).port);

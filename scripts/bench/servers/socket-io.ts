import { createSecretKey } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createAdapter } from '@socket.io/redis-adapter';
import express from 'express';
import jwt from 'jsonwebtoken';
import { createClient } from 'redis';
import { Server, type Socket } from 'socket.io';
import { CHATS, NAMESPACE, SECRET } from '../wire.js';
import { reportUsage } from './report-usage.js';

/**
 * A minimal server with Socket.IO and Express: a namespace middleware verifies the token, a user's sockets join one
 * room, one route emits to it and one broadcasts.
 */
const app = express();
const http = createServer(app);
const io = new Server(http, {
  transports: ['websocket'],
  serveClient: false,
  pingInterval: Number(process.env['PING_INTERVAL_MS']),
});
await connectRedis(process.env['REDIS_URL']);

/**
 * A text, as in the documentation of jsonwebtoken, which tries to make a public key of it at each call. With `TOKEN_KEY=prepared` a key,
 * as the gateway has it.
 */
const secret = process.env['TOKEN_KEY'] === 'prepared' ? createSecretKey(SECRET, 'utf8') : SECRET;

for (const namespace of [io.of(NAMESPACE), io.of(CHATS)]) {
  namespace.use((socket: Socket, next) => {
    try {
      const claims = jwt.verify(String(socket.handshake.auth['token']), secret, { algorithms: ['HS256'] });
      socket.data = { userId: (claims as jwt.JwtPayload)['uid'] };
      next();
    } catch {
      next(new Error('INVALID_TOKEN'));
    }
  });
  namespace.on('connection', (socket) => {
    void socket.join(`user:${socket.data.userId}`);
  });
}

const namespace = io.of(NAMESPACE);
app.use(express.json());
app.post('/emit/:userId/:event', (request, response) => {
  const room = `user:${request.params.userId}`;
  namespace.to(room).emit(request.params.event, request.body);
  const sockets = namespace.adapter.rooms.get(room)?.size ?? 0;
  response.json({ success: true, message: 'SUCCESS', data: { sockets } });
});
app.post('/broadcast/:event', (request, response) => {
  namespace.emit(request.params.event, request.body);
  response.json({ success: true, message: 'SUCCESS', data: { sockets: namespace.sockets.size } });
});

http.listen(0, '127.0.0.1');
await once(http, 'listening');
reportUsage((http.address() as AddressInfo).port);

async function connectRedis(url: string | undefined): Promise<void> {
  if (url === undefined) return;
  const publisher = createClient({ url });
  const subscriber = publisher.duplicate();
  await Promise.all([publisher.connect(), subscriber.connect()]);
  io.adapter(createAdapter(publisher, subscriber));
}

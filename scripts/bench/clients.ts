import jwt from 'jsonwebtoken';
import { Types } from 'mongoose';
import { io, type Socket } from 'socket.io-client';
import type { Rig } from './rig.js';
import { SECRET } from './wire.js';

/** A user in the database. */
export interface BenchUser {
  readonly id: string;
  readonly accountId: string;
}

/** Creates users of one new account. */
export async function addUsers({ models }: Rig, count: number): Promise<BenchUser[]> {
  const account = new Types.ObjectId();
  const users = Array.from({ length: count }, (_, n) => ({ _id: new Types.ObjectId(), account, name: `User ${n}` }));
  await models.User.insertMany(users);
  return users.map(({ _id }) => ({ id: String(_id), accountId: String(account) }));
}

/** A connected user. */
export interface Client {
  readonly id: string;
  readonly socket: Socket;
  /** @throws Error for a failure */
  // biome-ignore lint/suspicious/noExplicitAny: answers are looked into without declaring their forms again
  ask(event: string, data: object): Promise<any>;
  close(): void;
}

/** Connects a user to a namespace. */
export async function connect({ port }: Rig, user: BenchUser, namespace: string): Promise<Client> {
  const claims = { uid: user.id, account_id: user.accountId, scope: 'conversation' };
  const socket = io(`http://127.0.0.1:${port}${namespace}`, {
    transports: ['websocket'],
    forceNew: true,
    reconnection: false,
    auth: { token: jwt.sign(claims, SECRET, { expiresIn: '8h' }) },
  });
  await new Promise<void>((resolve, reject) => {
    socket.once('connect', resolve);
    socket.once('connect_error', reject);
  });
  return {
    id: user.id,
    socket,
    async ask(event, data) {
      const answer = await socket.emitWithAck(event, data);
      if (answer.success !== true) throw new Error(`${event}: ${JSON.stringify(answer)}`);
      return answer.data;
    },
    close: () => void socket.close(),
  };
}

import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import jwt from 'jsonwebtoken';
import { io, type Socket } from 'socket.io-client';
import { type HttpConnection, openHttpConnection, toRequest } from './load/http-connection.js';
import type { Rig } from './rig.js';
import { API_KEY, EVENT, NAMESPACE, SECRET } from './wire.js';

/** The push site of the benchmark. */
const SITE = 'bench';
const ROOM_PREFIX = 'user_';

/** A device that acknowledges messages. Their payloads are numbers. */
export interface Receiver {
  readonly socket: Socket;
  /** Delays all acknowledgements from now on. @returns sends the delayed ones and stops delaying */
  hold(): () => void;
  close(): void;
}

/** Tracks messages in flight: each number is sent once and must arrive once at every client. */
export class Arrivals {
  readonly #waiting = new Map<number, { left: number; done(at: number): void }>();
  #count = 0;

  /** Registers a message. Returns its number and a promise that resolves when the last of `receivers` has it. */
  expect(receivers = 1): { number: number; arrived: Promise<number> } {
    this.#count += 1;
    const number = this.#count;
    const arrived = new Promise<number>((done) => this.#waiting.set(number, { left: receivers, done }));
    return { number, arrived };
  }

  /** @throws Error for an unexpected message: a repeat, or one that was never sent */
  arrive(number: number): void {
    const entry = this.#waiting.get(number);
    if (entry === undefined) throw new Error(`message ${number} was not expected`);
    entry.left -= 1;
    if (entry.left > 0) return;
    this.#waiting.delete(number);
    entry.done(performance.now());
  }
}

/** Connects a device of a user of the platform. */
export function openReceiver({ port }: Rig, arrivals: Arrivals, user: string): Promise<Receiver> {
  const token = jwt.sign({ uid: user, account_id: 'a', scope: 'conversation' }, SECRET, { expiresIn: '8h' });
  const auth = { token, deviceId: 'device' };
  return open(io(`http://127.0.0.1:${port}${NAMESPACE}`, { ...transport, auth }), arrivals);
}

/** Connects a device of a user of the push site; it is in the common room too. */
export function openSiteReceiver({ port }: Rig, arrivals: Arrivals, user: string): Promise<Receiver> {
  return open(io(`http://127.0.0.1:${port}/${SITE}?token=${user}&deviceId=d`, transport), arrivals);
}

const transport = { transports: ['websocket'], forceNew: true, reconnection: false };

async function open(socket: Socket, arrivals: Arrivals): Promise<Receiver> {
  let held: (() => void)[] | undefined;
  const settle = (acknowledge: () => void): void => {
    if (held === undefined) acknowledge();
    else held.push(acknowledge);
  };
  socket.on(EVENT, (number: number, acknowledge: () => void) => {
    arrivals.arrive(number);
    settle(acknowledge);
  });
  socket.on('_batch', (events: [string, number][], acknowledge: () => void) => {
    for (const [, number] of events) arrivals.arrive(number);
    settle(acknowledge);
  });
  await new Promise<void>((resolve, reject) => {
    socket.once('connect', resolve);
    socket.once('connect_error', reject);
  });
  return {
    socket,
    hold() {
      held = [];
      return () => {
        const owed = held ?? [];
        held = undefined;
        for (const acknowledge of owed) acknowledge();
      };
    },
    close: () => void socket.close(),
  };
}

/** Backends that call concurrently, each on its own connection. */
export async function openBackends({ port }: Rig, count: number): Promise<HttpConnection[]> {
  return Promise.all(Array.from({ length: count }, () => openHttpConnection(port)));
}

const headers = { 'x-api-key': API_KEY };

/** A durable emit of many numbers in one call. */
export function toBatch(user: string, numbers: readonly number[]): Buffer {
  const items = numbers.map((payload) => ({ userId: user, event: EVENT, payload, durable: true }));
  return toRequest('/emit', { body: JSON.stringify({ items }), headers });
}

/** A message of the site to the common room. */
export const toSend = (number: number): Buffer =>
  toRequest(`/send?site=${SITE}&apiKey=${API_KEY}`, {
    body: JSON.stringify({ rooms: ['all'], event: EVENT, args: [number] }),
    headers: {},
  });

/** The website of the push site: the holder of the token `t` is in the room of user `t`, and in the common room. */
export async function startWebsite(): Promise<{ env: Record<string, string>; stop(): void }> {
  const server = createServer((request, response) => {
    const user = request.headers.authorization?.replace('Bearer ', '') ?? '';
    response.setHeader('content-type', 'application/json').end(JSON.stringify([`${ROOM_PREFIX}${user}`, 'all']));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    env: { SITE_NAME: SITE, AUTH_URL: `http://127.0.0.1:${port}/auth`, API_KEY, USER_ROOM_PREFIX: ROOM_PREFIX },
    stop() {
      server.close();
      server.closeAllConnections();
    },
  };
}

import { setTimeout as pause } from 'node:timers/promises';
import { io, type Socket } from 'socket.io-client';
import { expect } from 'vitest';
import type { Models } from '#shared/models/index.js';
import { keyOf } from '../../../src/realtime/delivery/message.js';
import { startEmbeddedDatabase } from '../../support/database.js';
import { createTestEnvironment } from '../../support/environment.js';
import { signToken, type TestGateway } from '../../support/gateway.js';
import { startMongoProxy } from '../../support/mongo-proxy.js';
import { createRandom } from '../../support/random.js';
import { startTcpProxy, type TcpProxy } from '../../support/tcp-proxy.js';
import { until } from '../../support/until.js';

/** Two nodes of which the second has a slow database, and a Redis that can be taken away from it. */
export interface OrderEnvironment {
  readonly a: TestGateway;
  readonly b: TestGateway;
  /** Between the second node and Redis. */
  readonly redis: TcpProxy;
  readonly models: Models;
  /** Resolves when the second node has sent its next insert, which waits before the database sees it. */
  nextInsert(): Promise<void>;
  /** Holds back the replies to inserts of the second node into a collection. @returns lets them through */
  holdReplies(collection: string): () => void;
  close(): Promise<void>;
}

/** @param slowMs how long an insert of the second node waits before the database sees it */
export async function createOrderEnvironment(slowMs: number): Promise<OrderEnvironment> {
  const environment = await createTestEnvironment({
    nodes: 0,
    hasRedis: true,
    database: await startEmbeddedDatabase(),
  });
  const { database, models } = environment;
  const slow = await startMongoProxy(database.url);
  environment.defer(() => slow.close());
  const waiting: (() => void)[] = [];
  slow.rules.onCommand = async (command) => {
    if (command['insert'] === undefined) return undefined;
    for (const resolve of waiting.splice(0)) resolve();
    await pause(slowMs);
    return undefined;
  };
  const held = new Map<unknown, Promise<void>>();
  slow.rules.onReply = async (reply, command) => {
    await held.get(command['insert']);
    return reply;
  };
  const redisOfB = await startTcpProxy(environment.redis().port);
  environment.defer(() => redisOfB.cut().catch(() => undefined));
  const a = await environment.startNode();
  const b = await environment.startNode({ REDIS_URL: `redis://127.0.0.1:${redisOfB.port}`, MONGODB_URL: slow.url() });
  return {
    a,
    b,
    redis: redisOfB,
    models,
    nextInsert: () => new Promise((resolve) => waiting.push(resolve)),
    holdReplies(collection) {
      let release = (): void => undefined;
      const released = new Promise<void>((resolve) => {
        release = resolve;
      });
      held.set(collection, released);
      return () => {
        held.delete(collection);
        release();
      };
    },
    close: environment.close,
  };
}

/** A device that is connected to one node or another, and what reached its application. */
interface Device {
  readonly user: string;
  readonly received: string[];
  /** Answered to their senders after the client was connected for the first time: it has to get them. */
  readonly owed: Set<string>;
  isConnected: boolean;
  /** Cuts its connection; it connects to a node that is chosen at random. */
  cut(): void;
  close(): void;
}

function openDevice(user: string, deviceId: string, chooseUrl: () => string): Device {
  let socket: Socket;
  let isClosed = false;
  const device: Device = {
    user,
    received: [],
    owed: new Set(),
    isConnected: false,
    cut() {
      const { transport } = socket.io.engine as unknown as { transport?: { ws?: { terminate?(): void } } };
      transport?.ws?.terminate?.();
    },
    close() {
      isClosed = true;
      socket.close();
    },
  };
  const open = (): void => {
    if (isClosed) return;
    socket = io(`${chooseUrl()}/v1/shared`, {
      transports: ['websocket'],
      forceNew: true,
      reconnection: false,
      auth: { token: signToken({ uid: user }), deviceId },
    });
    socket.on('m', (name: string, acknowledge: () => void) => {
      device.received.push(name);
      acknowledge();
    });
    socket.on('_batch', (events: [string, string][], acknowledge: () => void) => {
      for (const [, name] of events) device.received.push(name);
      acknowledge();
    });
    socket.once('connect', () => {
      device.isConnected = true;
    });
    socket.once('disconnect', open);
    socket.once('connect_error', () => setTimeout(open, 20));
  };
  open();
  return device;
}

/** How hard a run is. */
export interface History {
  readonly recipients: number;
  /** Of each sender; two send to each recipient. */
  readonly messages: number;
  readonly seed: number;
}

/**
 * A random history: messages through either node, devices that come, go and change nodes, and a node that loses its Redis
 * for a third of the time. The oracle is what is stored: in the order of positions it is what each device ends up with.
 */
export async function runHistory(
  environment: OrderEnvironment,
  { recipients, messages, seed }: History,
): Promise<void> {
  const { a, b, models } = environment;
  const { next: random } = createRandom(seed);
  const choose = <T>(items: readonly T[]): T => items[Math.floor(random() * items.length)] as T;
  const chooseUrl = (): string => choose([a, b]).url;
  const users = Array.from({ length: recipients }, (_, n) => `history-${seed}-${n}`);
  const devices = users.flatMap((user) => ['phone', 'laptop'].map((id) => openDevice(user, id, chooseUrl)));
  await until(() => devices.every(({ isConnected }) => isConnected));

  let newest = 0;
  const sendAll = async (user: string, sender: string): Promise<void> => {
    for (let n = 1; n <= messages; n += 1) {
      const name = `${sender}-${n}`;
      const { status } = await choose([a, b]).call('POST', `/emit/${user}/m?durable=true`, JSON.stringify(name));
      expect(status).toBe(200);
      for (const device of devices) if (device.user === user && device.isConnected) device.owed.add(name);
      if (random() < 0.05) choose(devices).cut();
      if (random() < 0.03 && newest < 20) {
        newest += 1;
        devices.push(openDevice(user, `new-${newest}`, chooseUrl));
      }
    }
  };
  const sending = users.flatMap((user) => ['x', 'y'].map((sender) => sendAll(user, sender)));
  const half = until(() => devices[0] !== undefined && devices[0].received.length > messages / 2);
  await half;
  await environment.redis.cut();
  await until(() => devices[0] !== undefined && new Set(devices[0].received).size > messages);
  await environment.redis.restore();
  await Promise.all(sending);
  await until(() => devices.every(({ received, owed }) => [...owed].every((name) => received.includes(name))));

  for (const user of users) {
    const log = await models.DeliveryEntry.find({ recipient: keyOf({ site: '', userId: user }) })
      .sort({ position: 1 })
      .lean();
    expect(log.map(({ position }) => position)).toEqual(Array.from({ length: 2 * messages }, (_, n) => n + 1));
    const stored = log.map(({ body }) => (JSON.parse(body) as [string, string])[1]);
    for (const sender of ['x', 'y']) {
      const own = stored.filter((name) => name.startsWith(sender));
      expect(own).toEqual(Array.from({ length: messages }, (_, n) => `${sender}-${n + 1}`));
    }
    for (const device of devices.filter((candidate) => candidate.user === user)) {
      const once = [...new Set(device.received)];
      // A device that came later has everything from where it began.
      expect(once).toEqual(stored.slice(stored.length - once.length));
    }
    const stayed = devices.filter((device) => device.user === user).slice(0, 2);
    for (const { received } of stayed) expect(new Set(received).size).toBe(stored.length);
  }
  for (const device of devices) device.close();
}

import { io, type Socket } from 'socket.io-client';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createTestEnvironment, type TestEnvironment } from '../../../support/environment.js';
import { signToken, type TestGateway } from '../../../support/gateway.js';
import { until } from '../../../support/until.js';
import { openApplication } from '../application.js';

let environment: TestEnvironment;
let a: TestGateway;
let b: TestGateway;

beforeAll(async () => {
  environment = await createTestEnvironment({ nodes: 2 });
  [a, b] = [environment.node(0), environment.node(1)];
});
afterAll(() => environment.close());

/** A client that knows nothing but its events: it does not handle batches. */
interface Client {
  readonly socket: Socket;
  /** Payloads of `m` that came as events of their own. */
  readonly live: unknown[];
  /** Payloads of `m` that came in a batch. */
  readonly batched: unknown[];
  /** When the client was notified that it is connected. */
  readonly connected: Promise<void>;
}

function open(gateway: TestGateway, user: string, deviceId: string): Client {
  const socket = io(`${gateway.url}/v1/shared`, {
    transports: ['websocket'],
    forceNew: true,
    reconnection: false,
    auth: { token: signToken({ uid: user }), deviceId },
  });
  const live: unknown[] = [];
  const batched: unknown[] = [];
  socket.on('m', (payload: unknown, acknowledge: () => void) => {
    live.push(payload);
    acknowledge();
  });
  socket.on('_batch', (events: [string, unknown][], acknowledge: () => void) => {
    for (const [event, payload] of events) if (event === 'm') batched.push(payload);
    acknowledge();
  });
  const connected = new Promise<void>((resolve, reject) => {
    socket.once('connect', resolve);
    socket.once('connect_error', reject);
  });
  return { socket, live, batched, connected };
}

const send = async (gateway: TestGateway, user: string, payload: unknown): Promise<void> => {
  const { status } = await gateway.call('POST', `/emit/${user}/m?durable=true`, JSON.stringify(payload));
  expect(status).toBe(200);
};

const ROUNDS = 45;
const rounds = Array.from({ length: ROUNDS }, (_, n) => n);

describe('a message that is sent as soon as a client is connected reaches it', () => {
  test('a new device of a user who has others, on one node', async () => {
    const other = await openApplication(a, { user: 'further', deviceId: 'first' });
    await other.ready();
    for (const n of rounds) {
      const client = open(a, 'further', `device-${n}`);
      await client.connected;
      await send(a, 'further', n);
      await until(() => client.live.includes(n));
      client.socket.close();
    }
    other.close();
  });

  test('the first device of a user', async () => {
    const clients = await Promise.all(
      rounds.map(async (n) => {
        const client = open(n % 2 === 0 ? a : b, `first-${n}`, 'd');
        await client.connected;
        await send(a, `first-${n}`, n);
        return client;
      }),
    );
    await until(() => clients.every(({ live }) => live.length === 1));
    for (const { socket } of clients) socket.close();
  });

  test('two new devices of a user, connecting to two nodes at once', async () => {
    const connectPair = async (user: string, n: number): Promise<void> => {
      const pair = [open(a, user, `a-${n}`), open(b, user, `b-${n}`)];
      const sending = pair.map(async ({ connected }, index) => {
        await connected;
        await send(index === 0 ? a : b, user, `${n}-${index}`);
      });
      await Promise.all(sending);
      await until(() => pair.every(({ live }, index) => live.includes(`${n}-${index}`)));
      for (const { socket } of pair) socket.close();
    };
    const connectPairs = async (user: number): Promise<void> => {
      for (const n of rounds) if (n % 5 === user) await connectPair(`pair-${user}`, n);
    };
    await Promise.all([0, 1, 2, 3, 4].map(connectPairs));
  });

  test('whatever is answered after the client is connected, while messages are sent all the time', async () => {
    const first = await openApplication(a, { user: 'flow', deviceId: 'first' });
    await first.ready();
    const answered: { n: number; at: number }[] = [];
    let isOver = false;
    let count = 0;
    const senders = [a, b].map(async (gateway) => {
      while (!isOver) {
        count += 1;
        const n = count;
        await send(gateway, 'flow', n);
        answered.push({ n, at: performance.now() });
      }
    });
    const clients: { client: Client; connectedAt: number }[] = [];
    for (const n of rounds.slice(0, 20)) {
      const client = open(n % 2 === 0 ? a : b, 'flow', `device-${n}`);
      await client.connected;
      clients.push({ client, connectedAt: performance.now() });
    }
    isOver = true;
    await Promise.all(senders);
    for (const { client, connectedAt } of clients) {
      const owed = answered.filter(({ at }) => at > connectedAt).map(({ n }) => n);
      await until(() => {
        const has = new Set([...client.batched, ...client.live]);
        return owed.every((n) => has.has(n));
      });
      client.socket.close();
    }
    first.close();
  });
});

describe('a batch holds only messages queued before the connect', () => {
  test('messages sent before the batches are acknowledged follow as single events, in order', async () => {
    for (const n of [1, 2, 3]) await send(a, 'waited', n);
    const client = await openApplication(b, { user: 'waited', deviceId: 'd', isHeld: true });
    await client.has(3);
    for (const n of [4, 5, 6]) await send(n % 2 === 0 ? a : b, 'waited', n);
    client.release();
    await client.has(6);
    expect(client.messages).toEqual([1, 2, 3, 4, 5, 6]);
    expect(client.batches).toEqual([3]);
    client.close();
  });

  test('a message sent right after the connect is a single event, even with queued messages', async () => {
    for (const n of rounds.slice(0, 15)) {
      const user = `both-${n}`;
      await send(a, user, 'before');
      const client = open(a, user, 'd');
      await client.connected;
      await send(a, user, 'after');
      await until(() => client.live.length + client.batched.length === 2);
      expect([client.batched, client.live]).toEqual([['before'], ['after']]);
      client.socket.close();
    }
  });
});

describe('a user has at most 100 devices', () => {
  test('the device that was disconnected longest is removed, and is notified when it returns', async () => {
    const user = 'collector';
    const lasting = open(b, user, 'connected');
    await lasting.connected;
    await send(b, user, 'first');
    await until(() => lasting.live.length === 1);
    // Known before all others, and connected: it is not the one.
    const visit = async (...numbers: number[]): Promise<void> => {
      const clients = numbers.map((n) => open(n % 2 === 0 ? a : b, user, `device-${n}`));
      await Promise.all(clients.map(({ connected }) => connected));
      const [payload] = numbers;
      await send(a, user, payload);
      await until(() => clients.every(({ live }) => live.includes(payload)));
      for (const { socket } of clients) socket.close();
    };
    const isConnected = async (deviceId: string): Promise<boolean | undefined> => {
      const { devices } = (await a.call('GET', `/users/${user}/deliveries?limit=1`)).json.data;
      return devices.find((device: { deviceId: string }) => device.deviceId === deviceId)?.isConnected;
    };
    await visit(1);
    await until(async () => (await isConnected('device-1')) === false);
    await visit(...Array.from({ length: 98 }, (_, n) => n + 2));
    const { json: pending } = await a.call('POST', `/emit/${user}/m?durable=true`, '"pending"');
    const further = open(a, user, 'device-100');
    await further.connected;
    await send(b, user, 'for all');
    await until(() => further.live.includes('for all') && lasting.live.includes('for all'));

    const status = (await b.call('GET', `/emit/${pending.data.id}`)).json.data;
    const stateOf = (id: string) => status.devices.find(({ deviceId }: { deviceId: string }) => deviceId === id)?.state;
    expect([stateOf('device-1'), stateOf('device-2')]).toEqual(['expired', 'queued']);
    const { messages, devices } = (await a.call('GET', `/users/${user}/deliveries?limit=2`)).json.data;
    expect(devices.length).toBe(100);
    const reasons = new Map(
      messages[1].devices.map(({ deviceId, reason }: { deviceId: string; reason: string }) => [deviceId, reason]),
    );
    expect(reasons.get('device-1')).toBe('EXPIRED_DEVICE');
    expect(reasons.get('device-2')).toBe('NOT_CONNECTED');

    const back = await openApplication(a, { user, deviceId: 'device-1' });
    await until(() => back.resyncs() === 1);
    back.close();
    for (const { socket } of [lasting, further]) socket.close();
  });

  test('a device is refused when 100 others are connected', async () => {
    const clients = Array.from({ length: 100 }, (_, n) => open(n % 2 === 0 ? a : b, 'crowded', `device-${n}`));
    await Promise.all(clients.map(({ connected }) => connected));
    await send(a, 'crowded', 'all');
    await until(() => clients.every(({ live }) => live.length === 1));
    const refused = open(a, 'crowded', 'one too many');
    const told = new Promise((resolve) => refused.socket.once('disconnected', resolve));
    const ended = new Promise((resolve) => refused.socket.once('disconnect', resolve));
    expect(await told).toEqual({ reason: 'QUOTA_EXCEEDED' });
    expect(await ended).toBe('io server disconnect');
    // The others are as they were.
    await send(b, 'crowded', 'again');
    await until(() => clients.every(({ live }) => live.length === 2));
    for (const { socket } of clients) socket.close();
  });
});

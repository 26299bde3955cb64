import jwt from 'jsonwebtoken';
import {
  API_KEY,
  answerQuestions,
  EVENT,
  type LoadOrder,
  type LoadResult,
  SECRET,
  type Target,
  userIdOf,
} from '../wire.js';
import { type Client, openClient, toFrame } from './client.js';
import { type HttpConnection, openHttpConnection, toRequest } from './http-connection.js';

/** The load generator. It runs in its own process, so that its CPU time is not attributed to a server. */

/** Time after which a delivery counts as lost. */
const LOST_AFTER_MS = 20_000;

/** Open connections by server port. The n-th client belongs to the n-th user. */
const groups = new Map<number, Group>();
interface Group {
  clients: Client[];
  /** Problems of all connections. */
  problems: string[];
}

answerQuestions<LoadOrder>(async (order): Promise<LoadResult> => {
  const startedAt = performance.now();
  const before = process.cpuUsage();
  const operations = await carryOut(order);
  const { user, system } = process.cpuUsage(before);
  return { operations, durationMs: performance.now() - startedAt, cpuMicros: user + system };
});
process.send?.({ id: 0, answer: {} });

function carryOut(order: LoadOrder): Promise<number> {
  switch (order.kind) {
    case 'connect':
      return connectClients(order);
    case 'close':
      return closeClients(order.target);
    case 'emit':
      return emitToUsers(order);
    case 'emitBatch':
      return emitBatches(order);
    case 'fanOut':
      return fanOut(order);
  }
}

type Order<Kind extends LoadOrder['kind']> = Extract<LoadOrder, { kind: Kind }>;

/** The payload of every event, with the size of a typical notification. */
const payloadFor = (userId: string): string =>
  JSON.stringify({
    id: '64abc123def456789abcdef0',
    user: userId,
    title: 'The deal was moved to another stage',
    text: 'A colleague has moved it; have a look at what is left to do.',
    at: '2026-01-01T00:00:00.000Z',
    unread: 3,
  });

const claimsOf = (userId: string) => ({
  uid: userId,
  account_id: 'account-1',
  workspace_id: 'w-1',
  scope: 'conversation',
});

async function connectClients({ target, count, inFlight }: Order<'connect'>): Promise<number> {
  const group = groups.get(target.port) ?? { clients: [], problems: [] };
  groups.set(target.port, group);
  const onWrong = (what: string): void => void group.problems.push(what);
  const first = group.clients.length;
  await inParallel(inFlight, count, async (index) => {
    const token = jwt.sign(claimsOf(userIdOf(first + index)), SECRET, { expiresIn: '12h' });
    group.clients[first + index] = await openClient(target, { token, onWrong });
  });
  return count;
}

async function closeClients({ port }: Target): Promise<number> {
  const clients = groups.get(port)?.clients ?? [];
  groups.delete(port);
  await Promise.all(clients.map((client) => client.close()));
  return clients.length;
}

async function emitToUsers({ target, requests, inFlight }: Order<'emit'>): Promise<number> {
  const { clients } = groupOf(target);
  const messages = clients.map((_client, index) =>
    toRequest(`/emit/${userIdOf(index)}/${EVENT}`, { body: payloadFor(userIdOf(index)), headers }),
  );
  return withDeliveries(target, { perUser: true, deliveries: requests }, async () => {
    const connections = await openAll(inFlight, target);
    await inParallel(inFlight, requests, async (index, worker) => {
      const answer = await at(connections, worker).send(at(messages, index % messages.length));
      if (answer !== '{"success":true,"message":"SUCCESS","data":{"sockets":1}}')
        throw new Error(`unexpected answer: ${answer}`);
    });
    return { operations: requests, connections };
  });
}

async function emitBatches({ target, requests, itemsPerRequest }: Order<'emitBatch'>): Promise<number> {
  const { clients } = groupOf(target);
  const items = Array.from({ length: itemsPerRequest }, (_item, index) => {
    const userId = userIdOf(index % clients.length);
    return `{"userId":"${userId}","event":"${EVENT}","payload":${payloadFor(userId)}}`;
  });
  const request = toRequest('/emit', { body: `{"items":[${items.join(',')}]}`, headers });
  const operations = requests * itemsPerRequest;
  return withDeliveries(target, { perUser: true, deliveries: operations }, async () => {
    const connections = await openAll(1, target);
    for (let sent = 0; sent < requests; sent += 1) {
      const { data } = JSON.parse(await at(connections, 0).send(request)) as {
        data: { items: { success: boolean }[] };
      };
      const succeeded = data.items.filter(({ success }) => success).length;
      if (succeeded !== itemsPerRequest) throw new Error(`${succeeded} of ${itemsPerRequest} items succeeded`);
    }
    return { operations, connections };
  });
}

async function fanOut({ target, requests }: Order<'fanOut'>): Promise<number> {
  const { clients } = groupOf(target);
  const request = toRequest(`/broadcast/${EVENT}`, { body: payloadFor('everybody'), headers });
  const operations = requests * clients.length;
  return withDeliveries(target, { perUser: false, deliveries: operations }, async (received) => {
    const connections = await openAll(1, target);
    for (let sent = 1; sent <= requests; sent += 1) {
      await at(connections, 0).send(request);
      await received(sent * clients.length);
    }
    return { operations, connections };
  });
}

const headers = { 'x-api-key': API_KEY };

/**
 * Runs `work`, waits until all of its deliveries arrived, and verifies the count of each client.
 * @param work gets a function that waits for a number of deliveries
 */
async function withDeliveries(
  target: Target,
  { perUser, deliveries }: { perUser: boolean; deliveries: number },
  work: (received: (count: number) => Promise<void>) => Promise<{ operations: number; connections: HttpConnection[] }>,
): Promise<number> {
  const { clients, problems } = groupOf(target);
  let total = 0;
  let awaited: { count: number; resolve: () => void } | undefined;
  const countOne = (): void => {
    total += 1;
    if (total === awaited?.count) awaited.resolve();
  };
  const received = async (count: number): Promise<void> => {
    if (total >= count) return;
    const arrival = new Promise<void>((resolve) => {
      awaited = { count, resolve };
    });
    await within(LOST_AFTER_MS, arrival, () => `${count - total} of ${count} deliveries are missing`);
  };
  for (const [index, client] of clients.entries()) {
    const payload = payloadFor(perUser ? userIdOf(index) : 'everybody');
    client.expect(toFrame(target.protocol, EVENT, payload), countOne);
  }

  const { operations, connections } = await work(received);
  await received(deliveries);
  for (const connection of connections) connection.close();
  for (const [index, client] of clients.entries()) {
    const share = Math.floor(deliveries / clients.length) + (index < deliveries % clients.length ? 1 : 0);
    if (client.received !== share) problems.push(`client ${index} got ${client.received} messages instead of ${share}`);
  }
  if (problems.length > 0) throw new Error(problems.slice(0, 5).join('\n'));
  return operations;
}

function groupOf({ port }: Target): Group {
  const group = groups.get(port);
  if (group === undefined) throw new Error(`no client is connected to port ${port}`);
  return group;
}

const openAll = (count: number, { port }: Target): Promise<HttpConnection[]> =>
  Promise.all(Array.from({ length: count }, () => openHttpConnection(port)));

/** Runs `task` for 0 to `count` - 1 with `width` workers. */
async function inParallel(
  width: number,
  count: number,
  task: (index: number, worker: number) => Promise<void>,
): Promise<void> {
  let next = 0;
  const work = async (worker: number): Promise<void> => {
    for (let index = next++; index < count; index = next++) await task(index, worker);
  };
  await Promise.all(Array.from({ length: width }, (_worker, index) => work(index)));
}

function at<T>(list: readonly T[], index: number): T {
  const item = list[index];
  if (item === undefined) throw new RangeError(`no item at ${index}`);
  return item;
}

async function within<T>(limitMs: number, promise: Promise<T>, toMessage: () => string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(toMessage())), limitMs);
  });
  try {
    return await Promise.race([promise, limit]);
  } finally {
    clearTimeout(timer);
  }
}

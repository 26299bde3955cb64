import { setTimeout as pause } from 'node:timers/promises';
import jwt from 'jsonwebtoken';
import {
  ACCOUNT_ID,
  API_KEY,
  answerQuestions,
  EVENT,
  type LoadOrder,
  type LoadResult,
  NAMESPACE,
  SECRET,
  type Target,
  userIdOf,
} from '../wire.js';
import { ask, enter, leave } from './callers.js';
import { type Client, type ClientOptions, openClient } from './client.js';
import { type HttpConnection, openHttpConnection, toRequest } from './http-connection.js';
import { at, inParallel } from './in-parallel.js';

/** The load generator. It runs in its own process, so that its CPU time is not attributed to a server. */

/** Time after which a delivery counts as lost. */
const LOST_AFTER_MS = 20_000;
/** Messages of one call that stores them. */
const STORED_AT_ONCE = 500;

/** Open connections by server port. The n-th client belongs to the n-th user. */
const groups = new Map<string, Group>();
interface Group {
  clients: Client[];
  /** Problems of all connections. */
  problems: string[];
}

answerQuestions<LoadOrder>(async (order): Promise<LoadResult> => {
  const startedAt = performance.now();
  const operations = await carryOut(order);
  return { operations, durationMs: performance.now() - startedAt };
});
process.send?.({ id: 0, answer: {} });

async function carryOut(order: LoadOrder): Promise<number> {
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
    case 'store':
      return storeMessages(order);
    case 'comeBack':
      return comeBack(order);
    case 'enter':
      await enter(order, (userId) => tokenOf(order.target, userId));
      return order.count;
    case 'ask':
      return ask(order);
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

/** `channels` are Centrifugo's. */
const tokenOf = ({ protocol }: Target, userId: string): string =>
  jwt.sign(
    {
      uid: userId,
      account_id: ACCOUNT_ID,
      workspace_id: 'w-1',
      scope: 'conversation',
      ...(protocol === 'centrifugo' && { sub: userId, channels: [`user:${userId}`, `kept:${userId}`, 'user:all'] }),
    },
    SECRET,
    { expiresIn: '12h' },
  );

interface Opening {
  readonly target: Target;
  readonly namespace?: string | undefined;
  readonly first: number;
  /** The number of the first user, when it differs from that of the first client. */
  readonly firstUser?: number | undefined;
  readonly count: number;
  readonly inFlight: number;
  readonly spreadOverMs?: number | undefined;
  readonly awaitedBy?: (userId: string) => ClientOptions['awaited'];
}

async function openClients({
  target,
  namespace = NAMESPACE,
  first,
  firstUser = first,
  count,
  inFlight,
  spreadOverMs = 0,
  awaitedBy,
}: Opening): Promise<void> {
  const group = groups.get(keyOf(target)) ?? { clients: [], problems: [] };
  groups.set(keyOf(target), group);
  const onWrong = (what: string): void => void group.problems.push(what);
  // Signed before, so that all come at once.
  const tokens = Array.from({ length: count }, (_, n) => tokenOf(target, userIdOf(firstUser + n)));
  const startedAt = performance.now();
  await inParallel(inFlight, count, async (n) => {
    const dueInMs = startedAt + (n / count) * spreadOverMs - performance.now();
    if (dueInMs > 0) await pause(dueInMs);
    const userId = userIdOf(firstUser + n);
    const port = at(target.ports, n % target.ports.length);
    const awaited = awaitedBy?.(userId);
    group.clients[first + n] = await openClient({
      target,
      port,
      namespace,
      userId,
      token: at(tokens, n),
      awaited,
      onWrong,
    });
  });
}

async function connectClients({ target, ...opening }: Order<'connect'>): Promise<number> {
  const first = groups.get(keyOf(target))?.clients.length ?? 0;
  await openClients({ target, first, ...opening });
  return opening.count;
}

async function closeClients(target: Target): Promise<number> {
  const clients = groups.get(keyOf(target))?.clients ?? [];
  groups.delete(keyOf(target));
  await Promise.all(clients.map((client) => client.close()));
  return clients.length + (await leave(target));
}

/** A call that sends an event to one user. */
function toCall({ protocol }: Target, userId: string, isDurable: boolean): Buffer {
  const payload = payloadFor(userId);
  if (protocol === 'centrifugo') {
    const body = `{"channel":"${isDurable ? 'kept' : 'user'}:${userId}","data":${payload}}`;
    return toRequest('/api/publish', { body, headers });
  }
  return toRequest(`/emit/${userId}/${EVENT}${isDurable ? '?durable=true' : ''}`, { body: payload, headers });
}

const SUCCESS = /^\{"(?:success":true|result":)/;

async function emitToUsers({ target, requests, inFlight, isDurable = false, users }: Order<'emit'>): Promise<number> {
  const { clients } = groupOf(target);
  const receivers = Math.min(clients.length, users ?? clients.length);
  const calls = Array.from({ length: receivers }, (_, index) => toCall(target, userIdOf(index), isDurable));
  return withDeliveries(target, { receivers, perUser: true, deliveries: requests }, async () => {
    const connections = await openAll(inFlight, target);
    await inParallel(inFlight, requests, async (index, worker) => {
      const answer = await at(connections, worker).send(at(calls, index % receivers));
      if (!SUCCESS.test(answer)) throw new Error(`unexpected answer: ${answer}`);
    });
    return { operations: requests, connections };
  });
}

/** A call that sends an event to several users. */
function toBatchCall({ protocol }: Target, userIds: readonly string[], isDurable: boolean): Buffer {
  if (protocol === 'centrifugo') {
    const commands = userIds.map(
      (id) => `{"publish":{"channel":"${isDurable ? 'kept' : 'user'}:${id}","data":${payloadFor(id)}}}`,
    );
    return toRequest('/api/batch', { body: `{"commands":[${commands.join(',')}]}`, headers });
  }
  const items = userIds.map(
    (id) => `{"userId":"${id}","event":"${EVENT}","payload":${payloadFor(id)}${isDurable ? ',"durable":true' : ''}}`,
  );
  return toRequest('/emit', { body: `{"items":[${items.join(',')}]}`, headers });
}

/** Sends a batch. @throws Error unless every item succeeded */
async function sendBatch(connection: HttpConnection, request: Buffer, items: number): Promise<void> {
  const answer = JSON.parse(await connection.send(request)) as {
    data?: { items: { success: boolean }[] };
    replies?: { publish?: { result?: object } }[];
  };
  const succeeded =
    answer.data?.items.filter(({ success }) => success) ??
    answer.replies?.filter(({ publish }) => publish !== undefined);
  if (succeeded?.length !== items) throw new Error(`${succeeded?.length} of ${items} items succeeded`);
}

async function emitBatches({
  target,
  requests,
  itemsPerRequest,
  isDurable = false,
}: Order<'emitBatch'>): Promise<number> {
  const { clients } = groupOf(target);
  const userIds = Array.from({ length: itemsPerRequest }, (_, index) => userIdOf(index % clients.length));
  const request = toBatchCall(target, userIds, isDurable);
  const operations = requests * itemsPerRequest;
  const expected = { receivers: clients.length, perUser: true, deliveries: operations };
  return withDeliveries(target, expected, async () => {
    const connections = await openAll(1, target);
    for (let sent = 0; sent < requests; sent += 1) await sendBatch(at(connections, 0), request, itemsPerRequest);
    return { operations, connections };
  });
}

async function fanOut({ target, requests }: Order<'fanOut'>): Promise<number> {
  const { clients } = groupOf(target);
  const body = payloadFor('everybody');
  const request =
    target.protocol === 'centrifugo'
      ? toRequest('/api/publish', { body: `{"channel":"user:all","data":${body}}`, headers })
      : toRequest(`/broadcast/${EVENT}`, { body, headers });
  const operations = requests * clients.length;
  const expected = { receivers: clients.length, perUser: false, deliveries: operations };
  return withDeliveries(target, expected, async (received) => {
    const connections = await openAll(1, target);
    for (let sent = 1; sent <= requests; sent += 1) {
      await at(connections, 0).send(request);
      await received(sent * clients.length);
    }
    return { operations, connections };
  });
}

async function storeMessages({ target, users, messagesEach, firstUser = 0 }: Order<'store'>): Promise<number> {
  const [connection] = await openAll(1, target);
  if (connection === undefined) throw new Error('the target has no port');
  for (let round = 0; round < messagesEach; round += 1) {
    for (let first = 0; first < users; first += STORED_AT_ONCE) {
      const count = Math.min(STORED_AT_ONCE, users - first);
      const userIds = Array.from({ length: count }, (_, n) => userIdOf(firstUser + first + n));
      await sendBatch(connection, toBatchCall(target, userIds, true), count);
    }
  }
  connection.close();
  return users * messagesEach;
}

async function comeBack({ target, count, inFlight, messagesEach }: Order<'comeBack'>): Promise<number> {
  const counter = createCounter();
  const awaitedBy = (userId: string) => ({ payload: payloadFor(userId), onReceived: counter.add });
  await openClients({ target, first: 0, count, inFlight, awaitedBy });
  await counter.reached(count * messagesEach);
  const { clients, problems } = groupOf(target);
  for (const [index, { received }] of clients.entries()) {
    if (received !== messagesEach) problems.push(`client ${index} got ${received} messages instead of ${messagesEach}`);
  }
  ensureNoProblems(problems);
  return count;
}

const headers = { 'x-api-key': API_KEY };

/** Counts deliveries. */
function createCounter() {
  let total = 0;
  let awaited: { count: number; resolve: () => void } | undefined;
  return {
    add(count: number): void {
      total += count;
      if (awaited !== undefined && total >= awaited.count) awaited.resolve();
    },
    /** @throws Error when the deliveries do not arrive */
    async reached(count: number): Promise<void> {
      if (total >= count) return;
      const arrival = new Promise<void>((resolve) => {
        awaited = { count, resolve };
      });
      await within(LOST_AFTER_MS, arrival, () => `${count - total} of ${count} deliveries are missing`);
    },
  };
}

interface Expected {
  /** The first so many clients. */
  readonly receivers: number;
  /** Each has a message of its own. */
  readonly perUser: boolean;
  readonly deliveries: number;
}

/**
 * Runs `work`, waits until all of its deliveries arrived, and verifies the count of each client.
 * @param work gets a function that waits for a number of deliveries
 */
async function withDeliveries(
  target: Target,
  { receivers, perUser, deliveries }: Expected,
  work: (received: (count: number) => Promise<void>) => Promise<{ operations: number; connections: HttpConnection[] }>,
): Promise<number> {
  const { clients, problems } = groupOf(target);
  const counter = createCounter();
  for (const [index, client] of clients.entries()) {
    client.expect(payloadFor(perUser ? userIdOf(index) : 'everybody'), counter.add);
  }
  const { operations, connections } = await work(counter.reached);
  await counter.reached(deliveries);
  for (const connection of connections) connection.close();
  for (const [index, client] of clients.slice(0, receivers).entries()) {
    const share = Math.floor(deliveries / receivers) + (index < deliveries % receivers ? 1 : 0);
    if (client.received !== share) problems.push(`client ${index} got ${client.received} messages instead of ${share}`);
  }
  ensureNoProblems(problems);
  return operations;
}

function ensureNoProblems(problems: readonly string[]): void {
  if (problems.length > 0) throw new Error(problems.slice(0, 5).join('\n'));
}

const keyOf = ({ ports }: Target): string => ports.join(' ');

function groupOf(target: Target): Group {
  const group = groups.get(keyOf(target));
  if (group === undefined) throw new Error(`no client is connected to ports ${keyOf(target)}`);
  return group;
}

const openAll = (count: number, { ports, callPorts = ports }: Target): Promise<HttpConnection[]> =>
  Promise.all(Array.from({ length: count }, (_, index) => openHttpConnection(at(callPorts, index % callPorts.length))));

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

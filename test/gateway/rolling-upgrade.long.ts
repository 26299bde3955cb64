import { expect, onTestFinished, test } from 'vitest';
import { startDatabase } from '../support/database.js';
import { checkOutEarlierVersion } from '../support/earlier-version.js';
import { API_KEY } from '../support/gateway.js';
import { type GatewayProcess, startGatewayProcess } from '../support/gateway-process.js';
import { startRedis } from '../support/redis-server.js';
import { until } from '../support/until.js';
import { isOpen, startTraveller, type Traveller } from './traveller.js';

/** The last version in which every node receives what is emitted for any user. */
const EARLIER = '96d8563370492b3a3ae92aad14e5afecede98295';
const USERS = 12;
/** Messages of each kind that each user gets between two steps, at least. */
const EACH_STEP = 25;
/** Longest wait for a plain message to a client that stays connected. */
const PLAIN_LIMIT_MS = 60_000;

test('a rolling restart to this version and back loses nothing', async () => {
  const checkout = await checkOutEarlierVersion(EARLIER);
  const cluster = await startCluster();
  const [one, two] = [await cluster.start(checkout), await cluster.start(checkout)];
  const travellers = Array.from({ length: USERS }, (_, n) => startTraveller(`user-${n}`, cluster.urls));
  onTestFinished(() => {
    for (const traveller of travellers) traveller.close();
  });
  for (const traveller of travellers) await traveller.connected();
  const traffic = startTraffic(travellers, cluster.urls);
  const settle = async (): Promise<void> => {
    await traffic.continues(EACH_STEP);
    await until(() => arePresent(travellers, cluster.urls()));
  };

  await settle();
  const three = await cluster.replace(one);
  await settle();
  expect(await knownNodes(cluster.urls())).toEqual([2, 2]);
  const four = await cluster.replace(two);
  await settle();
  const five = await cluster.replace(three, checkout);
  await settle();
  expect(await knownNodes(cluster.urls())).toEqual([2, 2]);
  const six = await cluster.replace(four, checkout);
  await settle();
  const sent = await traffic.end();

  for (const [index, { user, durable, plain, epoch }] of travellers.entries()) {
    const numbers = range(sent[index]?.count ?? 0);
    await until(() => new Set(durable).size >= numbers.length);
    expect([...new Set(durable)], `durable messages of ${user}`).toEqual(numbers);
    // A client that stayed has all of them; `startTraffic` has waited for each.
    expect(new Set(plain).size, `plain messages of ${user}`).toBe(plain.length);
    expect(plain, `plain messages of ${user}`).toEqual(plain.toSorted((a, b) => a - b));
    const disconnects = Math.floor(epoch / 2);
    expect(numbers.length - plain.length, `lost plain messages of ${user}`).toBeLessThanOrEqual(2 * disconnects);
  }
  expect(travellers.every(({ epoch }) => epoch > 1)).toBe(true);
  for (const { lines, stderr } of [one, two, three, four, five, six]) {
    expect(lines.filter((line) => /Unreadable|unhandled/i.test(line))).toEqual([]);
    expect(stderr).toBe('');
  }
});

const range = (length: number): number[] => Array.from({ length }, (_, n) => n);

/** A Redis, a database, and the gateways that a load balancer would send clients to. */
async function startCluster() {
  const [redis, database] = await Promise.all([startRedis(), startDatabase()]);
  onTestFinished(async () => {
    await Promise.all([redis.dispose(), database.stop()]);
  });
  const env = { REDIS_URL: redis.url, MONGODB_URL: database.url, EVENT_LIMIT: '1000000', SHUTDOWN_DRAIN_MS: '2000' };
  const running: GatewayProcess[] = [];
  const start = async (checkout?: string): Promise<GatewayProcess> => {
    const node = await startGatewayProcess(env, checkout);
    onTestFinished(() => node.close());
    running.push(node);
    return node;
  };
  return {
    start,
    urls: () => running.map(({ url }) => url),
    /** Starts a node, then stops another one: SIGTERM, which drains it. */
    async replace(node: GatewayProcess, checkout?: string): Promise<GatewayProcess> {
      const next = await start(checkout);
      running.splice(running.indexOf(node), 1);
      node.child.kill('SIGTERM');
      expect(await node.ended).toBe(0);
      return next;
    },
  };
}

const headers = { 'x-api-key': API_KEY, 'content-type': 'application/json' };

/** Whether each user has one connection, according to each node. */
async function arePresent(travellers: readonly Traveller[], urls: readonly string[]): Promise<boolean> {
  for (const url of urls) {
    for (const { user } of travellers) {
      const { data } = (await (await fetch(`${url}/users/${user}/presence`, { headers })).json()) as {
        data?: { connections: number };
      };
      if (data?.connections !== 1) return false;
    }
  }
  return true;
}

/** How many nodes each node knows and gets an answer from. */
const knownNodes = (urls: readonly string[]): Promise<number[]> =>
  Promise.all(
    urls.map(async (url) => {
      const { data } = (await (await fetch(`${url}/nodes`, { headers })).json()) as {
        data: { nodes: { name: string | null }[] };
      };
      return data.nodes.filter(({ name }) => name !== null).length;
    }),
  );

/**
 * Sends each traveller plain and durable messages with the same numbers, one after another, through any node. A plain message
 * to a client that stays connected has to arrive before the next one is sent.
 */
function startTraffic(travellers: readonly Traveller[], urls: () => readonly string[]) {
  let isOver = false;
  const progress = travellers.map(() => ({ count: 0 }));
  const sending = travellers.map(async (traveller, index) => {
    const own = progress[index] ?? { count: 0 };
    for (; !isOver; own.count += 1) {
      await sendPlain(traveller, own.count, urls);
      await sendDurable(traveller, own.count, urls);
    }
  });
  const failure = Promise.all(sending).then(() => new Promise<never>(() => undefined));
  return {
    /** Waits until each traveller was sent some more. @throws the failure of a message */
    async continues(messages: number): Promise<void> {
      const goals = progress.map(({ count }) => count + messages);
      await Promise.race([failure, until(() => progress.every(({ count }, index) => count >= (goals[index] ?? 0)))]);
    },
    async end() {
      isOver = true;
      await Promise.all(sending);
      return progress;
    },
  };
}

/** @returns the status; `undefined`: there was no answer */
async function post(url: string, body: number, more: Record<string, string> = {}): Promise<number | undefined> {
  try {
    const response = await fetch(url, { method: 'POST', headers: { ...headers, ...more }, body: String(body) });
    await response.arrayBuffer();
    return response.status;
  } catch {
    return undefined;
  }
}

async function sendPlain(traveller: Traveller, number: number, urls: () => readonly string[]): Promise<void> {
  const { epoch, user, plain } = traveller;
  const nodes = urls();
  const status = await post(`${nodes[number % nodes.length]}/emit/${user}/plain`, number);
  // The node has stopped: it counts as lost.
  if (status !== 200 || !isOpen(epoch)) return;
  const giveUpAt = performance.now() + PLAIN_LIMIT_MS;
  await until(() => {
    if (performance.now() > giveUpAt)
      throw new Error(`plain message ${number} did not reach ${user}, who stayed connected`);
    return plain.includes(number) || traveller.epoch !== epoch;
  });
}

async function sendDurable({ user }: Traveller, number: number, urls: () => readonly string[]): Promise<void> {
  const key = { 'idempotency-key': `${user}-${number}` };
  for (let attempt = 0; ; attempt += 1) {
    const nodes = urls();
    const url = nodes[(number + attempt) % nodes.length];
    if ((await post(`${url}/emit/${user}/m?durable=true`, number, key)) === 200) return;
  }
}

import { setTimeout as pause } from 'node:timers/promises';
import { expect } from 'vitest';
import { startEmbeddedDatabase } from '../../support/database.js';
import { createTestEnvironment } from '../../support/environment.js';
import { type MongoProxy, startMongoProxy } from '../../support/mongo-proxy.js';
import { createRandom } from '../../support/random.js';
import { until } from '../../support/until.js';
import { judge, openSurvivor } from './chaos.js';

/** How hard a run is. */
export interface Jitter {
  clients: number;
  /** To each client. */
  messages: number;
  /** How likely a client is cut between two messages. */
  cutRate: number;
  seed: number;
  /** Redis is killed and comes back in the middle. */
  killsRedis?: boolean;
  /** How long each database command waits before the database sees it. */
  databaseDelayMs?: number;
}

/** Two nodes, clients whose connections are cut at random, and messages to all of them; the oracle is exact. */
export async function runJitter({ clients, messages, cutRate, seed, ...faults }: Jitter): Promise<void> {
  const { killsRedis = false, databaseDelayMs } = faults;
  const database = await startEmbeddedDatabase();
  const slow = databaseDelayMs === undefined ? undefined : await startSlowDatabase(database.url, databaseDelayMs);
  const env: Record<string, string> = slow === undefined ? {} : { MONGODB_URL: slow.url() };
  const environment = await createTestEnvironment({ nodes: 2, database, env });
  const { nodes } = environment;
  const redis = environment.redis();
  const publisher = environment.node(0);
  const { next: random } = createRandom(seed);
  const urls = nodes.map(({ url }) => url);
  const survivors = Array.from({ length: clients }, (_, index) => openSurvivor(`jitter-${index}`, urls));

  let cuts = 0;
  for (let n = 1; n <= messages; n += 1) {
    if (killsRedis && n === Math.floor(messages / 3)) await redis.stop();
    if (killsRedis && n === Math.floor((2 * messages) / 3)) await redis.start();
    const answers = await Promise.all(
      survivors.map(({ user }) => publisher.call('POST', `/emit/${user}/m?durable=true`, JSON.stringify(n))),
    );
    expect(answers.every(({ status }) => status === 200)).toBe(true);
    for (const survivor of survivors) {
      if (random() >= cutRate) continue;
      cuts += 1;
      survivor.cut();
    }
  }
  await until(() => survivors.every(({ received }) => new Set(received).size === messages));
  const verdicts = survivors.map((survivor) => judge(survivor, messages));
  const repeated = verdicts.reduce((sum, verdict) => sum + verdict.repeated, 0);
  process.stderr.write(`${clients * messages} messages, ${cuts} cuts: ${repeated} came again\n`);
  for (const verdict of verdicts) expect(verdict).toMatchObject({ missing: 0, disordered: 0 });

  for (const survivor of survivors) survivor.close();
  await environment.close();
  await slow?.close();
}

async function startSlowDatabase(url: string, delayMs: number): Promise<MongoProxy> {
  return startMongoProxy(url, {
    async onCommand() {
      await pause(delayMs);
      return undefined;
    },
  });
}

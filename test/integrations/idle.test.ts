import { afterAll, beforeAll, expect, test } from 'vitest';
import { createTestClock } from '../support/clock.js';
import { createTestEnvironment, type TestEnvironment } from '../support/environment.js';
import { nameOf } from '../support/mongo-proxy.js';

const clock = createTestClock();
let environment: TestEnvironment;

beforeAll(async () => {
  environment = await createTestEnvironment({ proxyOptions: '', overrides: { clock } });
});
afterAll(() => environment.close());

/** What the node sends to the database in a minute, by command and collection. */
async function commandsOfMinute(): Promise<Record<string, number>> {
  const { commands } = environment.proxy();
  const first = commands.length;
  const endsAt = clock.now() + 60_000;
  await clock.advanceUntil(250, () => clock.now() >= endsAt);
  const counts: Record<string, number> = {};
  for (const command of commands.slice(first)) {
    const name = nameOf(command);
    // The driver's own.
    if (['hello', 'isMaster', 'ping', 'endSessions'].includes(name)) continue;
    const key = `${name} ${String(command[name])}`;
    counts[key] = (counts[key] ?? 0) + 1;
  }
  return counts;
}

const sumOf = (counts: Readonly<Record<string, number>>): number =>
  Object.values(counts).reduce((sum, count) => sum + count, 0);

test('a node without clients asks the database less than once a second', async () => {
  const counts = await commandsOfMinute();
  expect(sumOf(counts), JSON.stringify(counts)).toBeLessThan(60);
});

test('a node with an idle client asks the database six times a second, nearly always for locked users', async () => {
  const [ann] = await environment.people('Ann');
  const client = await environment.open(ann);
  const counts = await commandsOfMinute();
  const { 'find _users': ofUsers = 0, ...others } = counts;
  // The lock watch has four searches in 750 ms. What follows a connect may read the user once more.
  expect(ofUsers).toBeLessThanOrEqual(4 * 80 + 10);
  expect(sumOf(others), JSON.stringify(others)).toBeLessThan(60);
  client.close();
});

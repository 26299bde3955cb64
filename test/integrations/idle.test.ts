import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { createTestClock } from '../support/clock.js';
import { createTestEnvironment, type TestEnvironment } from '../support/environment.js';
import { type Document, nameOf } from '../support/mongo-proxy.js';

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

/** Some commands of the minute before may come late. */
const ABOUT_ONCE_A_SECOND = 75;

const sumOf = (counts: Readonly<Record<string, number>>): number =>
  Object.values(counts).reduce((sum, count) => sum + count, 0);

test('a node without clients asks the database about once a second', async () => {
  // What follows a start is not idle yet.
  await commandsOfMinute();
  const counts = await commandsOfMinute();
  expect(sumOf(counts), JSON.stringify(counts)).toBeLessThan(ABOUT_ONCE_A_SECOND);
});

test('a node with an idle client asks the database about twice a second, mostly for locked users', async () => {
  const [ann] = await environment.people('Ann');
  const client = await environment.open(ann);
  // What follows a connect is not idle yet.
  await commandsOfMinute();
  const counts = await commandsOfMinute();
  const { 'find _users': ofUsers = 0, ...others } = counts;
  // The lock watch has one search in 750 ms.
  expect(ofUsers).toBeLessThanOrEqual(80 + 10);
  expect(sumOf(others), JSON.stringify(others)).toBeLessThan(ABOUT_ONCE_A_SECOND);
  client.close();
});

test('a search for locked users that is too slow is not repeated for a minute, and a locked user is disconnected', async () => {
  const isSearch = (command: Document): boolean =>
    nameOf(command) === 'find' && (command['filter'] as { $or?: unknown[] }).$or?.length === 4;
  const proxy = environment.proxy();
  const timeout = { ok: 0, code: 50, codeName: 'MaxTimeMSExpired', errmsg: 'operation exceeded time limit' };
  proxy.rules = { onCommand: (command) => (isSearch(command) ? timeout : undefined) };
  onTestFinished(() => {
    proxy.rules = {};
  });
  const first = proxy.commands.length;
  const [ann] = await environment.people('Ann');
  const client = await environment.open(ann);
  await commandsOfMinute();
  const searches = proxy.commands.slice(first).filter(isSearch);
  expect(searches.length).toBeGreaterThanOrEqual(1);
  expect(searches.length).toBeLessThanOrEqual(2);
  await environment.models.User.updateOne({ _id: ann.id }, { isActive: false });
  await clock.advanceUntil(1000, () => client.received('disconnected').length > 0);
  expect(await client.next('disconnected')).toEqual([{ reason: 'blocked' }]);
});

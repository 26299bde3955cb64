import { createClient } from 'redis';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createTestClock } from '../../support/clock.js';
import { createTestEnvironment, type TestEnvironment } from '../../support/environment.js';
import { type Application, openApplication } from './application.js';

/*
 * What calls of backends cost in commands of Redis, when the users are connected to another node. The clock stands still, so
 * nothing happens at intervals except the self-check.
 */

const USERS = Array.from({ length: 40 }, (_, n) => `user-${n}`);

let environment: TestEnvironment;
let applications: Application[];
const commands: string[] = [];

beforeAll(async () => {
  environment = await createTestEnvironment({ nodes: 2, overrides: { clock: createTestClock() } });
  const monitor = createClient({ url: environment.redis().url });
  await monitor.connect();
  environment.defer(() => monitor.destroy());
  const elsewhere = environment.node(1);
  applications = await Promise.all(USERS.map((user) => openApplication(elsewhere, { user, deviceId: 'phone' })));
  await Promise.all(applications.map((application) => application.ready()));
  // Redis learns the script by the first question.
  await environment.node(0).call('GET', '/users/user-1/presence');
  await monitor.monitor((line) => commands.push(line.toString()));
});
afterAll(async () => {
  for (const application of applications) application.close();
  await environment.close();
});

/** Sends a batch to all users by the node that none of them is connected to, and waits until they have it. */
async function during(fields: object) {
  const { length } = commands;
  const counts = applications.map(({ messages }) => messages.length);
  const items = USERS.map((userId) => ({ userId, event: 'm', payload: { n: 1 }, ...fields }));
  const { json } = await environment.node(0).call('POST', '/emit', { items });
  await Promise.all(applications.map((application, index) => application.has((counts[index] ?? 0) + 1)));
  // Redis reports its commands in order, so this one is reported after those of the batch.
  const barrier = `barrier ${length}`;
  await environment.redis().command('ECHO', barrier);
  await expect.poll(() => commands.some((line) => line.includes(barrier))).toBe(true);
  const lines = commands.slice(length);
  return {
    states: json.data.items.map(({ data }: { data: { state?: string } }) => data.state),
    published: lines.filter((line) => /"publish"/i.test(line) && !/:echo:|\\"echo\\"/.test(line)),
    asked: lines.filter((line) => /"evalsha"/i.test(line) && line.includes('user-1') && !line.includes(':routes:')),
    routed: lines.filter(
      (line) => /"(?:evalsha|mget)"/i.test(line) && line.includes('user-1') && line.includes(':routes:'),
    ),
  };
}

test('the items of a batch are one command, one message to the only node with their users, and no question', async () => {
  const { published, asked, routed } = await during({});
  expect(routed).toHaveLength(1);
  expect(published).toHaveLength(1);
  expect(asked).toEqual([]);
});

test('the durable items of a batch are one message to the only node with their users, and no question', async () => {
  const { states, published, asked, routed } = await during({ durable: true });
  // The last positions of the users, then the entries.
  expect(routed).toHaveLength(2);
  expect(states).toEqual(USERS.map(() => 'sent'));
  expect(published).toHaveLength(1);
  // The publish tells which users other nodes have.
  expect(asked).toEqual([]);
});

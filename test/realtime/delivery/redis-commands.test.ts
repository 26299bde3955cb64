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
  // Redis learns the scripts by the first questions.
  await environment.node(0).call('GET', '/users/user-1/presence');
  await environment.node(0).call('POST', '/emit/other/m?durable=true', {});
  await monitor.monitor((line) => commands.push(line.toString()));
});
afterAll(async () => {
  for (const application of applications) application.close();
  await environment.close();
});

/** What Redis was told meanwhile, by nodes and by scripts. */
async function linesDuring(work: () => Promise<unknown>): Promise<string[]> {
  const { length } = commands;
  await work();
  // Redis reports its commands in order, so this one is reported after those of the work.
  const barrier = `barrier ${length}`;
  await environment.redis().command('ECHO', barrier);
  await expect.poll(() => commands.some((line) => line.includes(barrier))).toBe(true);
  return commands.slice(length);
}

/** Waits until an application has more messages than before. */
async function hasMore(application: Application | undefined, count: number, work: () => Promise<unknown>) {
  const before = application?.messages.length ?? 0;
  await work();
  await application?.has(before + count);
}

/** Sends a batch to all users by the node that none of them is connected to, and waits until they have it. */
async function during(fields: object) {
  const items = USERS.map((userId) => ({ userId, event: 'm', payload: { n: 1 }, ...fields }));
  let json = { data: { items: [] } };
  const lines = await linesDuring(async () => {
    const counts = applications.map(({ messages }) => messages.length);
    ({ json } = await environment.node(0).call('POST', '/emit', { items }));
    await Promise.all(applications.map((application, index) => application.has((counts[index] ?? 0) + 1)));
  });
  return {
    states: json.data.items.map(({ data }: { data: { state?: string } }) => data.state),
    published: lines.filter((line) => /"publish"/i.test(line) && !/:echo:|\\"echo\\"/.test(line)),
    asked: lines.filter((line) => /"evalsha"/i.test(line) && line.includes('user-1') && !line.includes(':routes:')),
    routed: lines.filter((line) => /"evalsha"/i.test(line) && line.includes('user-1') && line.includes(':routes:')),
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
  // The last positions of the users and who holds them, then the entries.
  expect(routed).toHaveLength(2);
  expect(states).toEqual(USERS.map(() => 'sent'));
  expect(published).toHaveLength(1);
  expect(asked).toEqual([]);
});

test('many durable messages to one user look up who holds the user once before they are stored, and once to announce them', async () => {
  const items = USERS.map(() => ({ userId: 'user-1', event: 'm', payload: { n: 1 }, durable: true }));
  const lines = await linesDuring(() =>
    hasMore(applications[1], USERS.length, () => environment.node(0).call('POST', '/emit', { items })),
  );
  const lookedUp = lines.filter((line) => /"(?:sunion|smembers)"/i.test(line) && line.includes('user-1"'));
  expect(lookedUp).toHaveLength(2);
});

test('a user of this node alone is announced without content; a device that connects elsewhere gets the next message', async () => {
  const user = 'user-1';
  const [here, there] = [environment.node(1), environment.node(0)];
  const send = (n: number) => here.call('POST', `/emit/${user}/m?durable=true`, { text: `of ${user}`, n });
  await hasMore(applications[1], 1, () => send(1));
  const lines = await linesDuring(() => hasMore(applications[1], 1, () => send(2)));
  expect(lines.filter((line) => line.includes(`of ${user}`))).toEqual([]);

  const tablet = await openApplication(there, { user, deviceId: 'tablet' });
  await tablet.ready();
  // No poll finds it: the clock stands still.
  await hasMore(tablet, 1, () => send(3));
  expect(tablet.messages.at(-1)).toEqual({ text: `of ${user}`, n: 3 });
  tablet.close();
});

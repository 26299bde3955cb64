import { afterAll, beforeAll, expect, test } from 'vitest';
import { createTestClock } from '../../../support/clock.js';
import { createTestEnvironment, type TestEnvironment } from '../../../support/environment.js';
import { until } from '../../../support/until.js';
import { addChat, members, open } from '../community/community.js';

const clock = createTestClock();
let environment: TestEnvironment;
beforeAll(async () => {
  environment = await createTestEnvironment({
    nodes: 2,
    proxyOptions: '',
    env: { PRESENCE_GRACE_MS: '0' },
    overrides: { clock },
  });
});
afterAll(() => environment.close());

test('an offline event that a slow node sends after the online event of another node is put right', async () => {
  const [ann, bob] = await members(environment, ['Ann', 'Bob']);
  await addChat(environment, [ann, bob]);
  const watching = [await open(environment, bob), await open(environment, bob, { node: 1 })];
  const first = await open(environment, ann);
  for (const client of watching) await client.next('user_online');

  const seen = { _id: { $in: [ann.id, bob.id] }, lastSeen: { $exists: true } };
  await until(async () => (await environment.models.User.countDocuments(seen)) === 2);

  // The node that claims the offline event waits for its database.
  let release = (): void => undefined;
  const isReleased = new Promise<void>((resolve) => {
    release = resolve;
  });
  const held: number[] = [];
  for (const [node, proxy] of environment.proxies.entries()) {
    proxy.rules = {
      async onCommand(command) {
        const text = JSON.stringify(command);
        if (!text.includes('lastSeen') || !text.includes(ann.id) || ![undefined, node].includes(held[0]))
          return undefined;
        held.push(node);
        await isReleased;
        return undefined;
      },
    };
  }
  // Changes of a user that follow each other within a second are sent as one.
  clock.advance(2000);
  first.close();
  await until(() => held.length > 0);
  await open(environment, ann, { node: held[0] === 0 ? 1 : 0 });
  for (const client of watching) await client.next('user_online');
  release();

  for (const client of watching) {
    await client.next('user_offline');
    expect(await client.next('user_online')).toEqual([{ userId: ann.id }]);
  }
});

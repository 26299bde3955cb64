import { afterAll, beforeAll, expect, test } from 'vitest';
import { createTestClock } from '../../../support/clock.js';
import { createTestEnvironment, dataOf, type TestEnvironment } from '../../../support/environment.js';
import { runHistory } from './history.js';

const clock = createTestClock();
let environment: TestEnvironment;

beforeAll(async () => {
  environment = await createTestEnvironment({ nodes: 2, overrides: { clock } });
});
afterAll(() => environment.close());

for (const seed of [1, 2]) {
  test(`what is pushed, stored and counted is the same throughout history ${seed}`, () =>
    runHistory({ environment, clock }, { seed, acts: 20 }));
}

test('changes of other services are counted when the user reads the counters', async () => {
  const [ann, bob] = await environment.people('Ann', 'Bob');
  const a = await environment.open(ann);
  await a.ask('add_conversation', { users: [bob.id], channel_id: 'general' });
  await environment.models.Member.updateOne({ user: ann.id }, { unread_count: 3 });
  await environment.models.Counter.updateOne({ user: ann.id, channel_id: 'you' }, { open: 99 });
  const { channels } = dataOf(await a.ask('channel', {}));
  expect(channels.you).toEqual({ open: 1, unread: 1, closed: 0, priority: 0, snoozed: 0 });
  expect(channels.general).toEqual(channels.you);
  expect(await environment.models.Counter.findOne({ user: ann.id, channel_id: 'you' }).lean()).toMatchObject(
    channels.you,
  );
});

import { afterAll, beforeAll, expect, test } from 'vitest';
import { createTestClock } from '../../../support/clock.js';
import { createTestEnvironment, dataOf, type TestEnvironment } from '../../../support/environment.js';
import { playHistory } from './history.js';

const clock = createTestClock();
let stage: TestEnvironment;

beforeAll(async () => {
  stage = await createTestEnvironment({ nodes: 2, overrides: { clock } });
});
afterAll(() => stage.close());

for (const seed of [1, 2, 3, 4]) {
  test(`what is pushed, stored and counted is the same throughout history ${seed}`, () =>
    playHistory({ stage, clock }, { seed, acts: 20 }));
}

test('changes of other services are counted when the user reads the counters', async () => {
  const [ann, bob] = await stage.people('Ann', 'Bob');
  const a = await stage.open(ann);
  await a.ask('add_conversation', { users: [bob.id], channel_id: 'general' });
  await stage.models.Member.updateOne({ user: ann.id }, { unread_count: 3 });
  await stage.models.Counter.updateOne({ user: ann.id, channel_id: 'you' }, { open: 99 });
  const { channels } = dataOf(await a.ask('channel', {}));
  expect(channels.you).toEqual({ open: 1, unread: 1, closed: 0, priority: 0, snoozed: 0 });
  expect(channels.general).toEqual(channels.you);
  expect(await stage.models.Counter.findOne({ user: ann.id, channel_id: 'you' }).lean()).toMatchObject(channels.you);
});

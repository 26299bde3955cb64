import { expect, test } from 'vitest';
import { systemClock } from '../../../../src/platform/time/clock.js';
import { QueueLimits } from '../../../../src/realtime/delivery/devices/queue-limits.js';
import { withKey } from '../../../../src/realtime/delivery/message.js';

const MAX = 1000;
/** The limits allow for a hundredth more, because they are not checked for each message. */
const SLACK = MAX / 100;
const recipient = withKey({ site: '', userId: 'someone' });

/** One device whose queue is everything above `acked`, and how often the queue was counted. */
function createQueue() {
  const state = { last: 0, acked: 0, counted: 0, trimmed: 0 };
  const device = { id: 'phone', start: 0, acked: {}, revision: 0, sent: {} };
  const collection = {
    async countDocuments(_filter: object, { limit }: { limit: number }) {
      state.counted += 1;
      return Math.min(limit, state.last - state.acked);
    },
    async findOne(_filter: object, { skip }: { skip: number }) {
      state.counted += 1;
      return state.last - state.acked > skip ? { position: state.last - skip } : null;
    },
  };
  const mailboxes = {
    get: async () => ({ start: 0, devices: [device] }),
    async change(_device: object, toChange: (stored: object) => { expiration: { upTo: number } }) {
      state.acked = toChange(device).expiration.upTo;
      state.trimmed += 1;
      return device;
    },
  };
  const limits = new QueueLimits({
    mailboxes,
    log: { collection },
    clock: systemClock,
    max: MAX,
    onCut: () => undefined,
  } as unknown as ConstructorParameters<typeof QueueLimits>[0]);
  return {
    state,
    async store() {
      state.last += 1;
      if (limits.isDue({ recipient, position: state.last })) await limits.trim(recipient, state.last);
      expect(state.last - state.acked).toBeLessThanOrEqual(MAX + SLACK);
    },
  };
}

test('a queue that is acknowledged is not counted again before it can be full', async () => {
  const { state, store } = createQueue();
  for (let n = 0; n < 20 * MAX; n += 1) {
    await store();
    state.acked = state.last - 5;
  }
  expect(state.counted).toBeLessThanOrEqual(20);
  expect(state.trimmed).toBe(0);
});

test('a queue without acknowledgements stays at the limit', async () => {
  const { state, store } = createQueue();
  for (let n = 0; n < 5 * MAX; n += 1) await store();
  expect(state.trimmed).toBeGreaterThan(0);
  expect(state.last - state.acked).toBeGreaterThan(MAX - SLACK);
});

test('a queue never exceeds the limit, however it is acknowledged', async () => {
  let seed = 7;
  const random = (): number => {
    seed = (seed * 1_103_515_245 + 12_345) % 2 ** 31;
    return seed / 2 ** 31;
  };
  const { state, store } = createQueue();
  for (let phase = 0; phase < 40; phase += 1) {
    const share = random();
    for (let n = 0; n < MAX / 2; n += 1) {
      await store();
      if (random() < share / 100) state.acked = state.last - Math.floor(random() * (state.last - state.acked));
    }
  }
  expect(state.counted).toBeLessThan(state.last / 4);
});

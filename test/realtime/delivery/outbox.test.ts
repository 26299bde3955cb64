import { setImmediate } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { createEntry, type Entry } from '../../../src/realtime/delivery/entry.js';
import type { Log, LogQuery } from '../../../src/realtime/delivery/log.js';
import { withKey } from '../../../src/realtime/delivery/message.js';
import { Outbox } from '../../../src/realtime/delivery/outbox.js';
import { WINDOW_MAX } from '../../../src/realtime/delivery/window.js';
import type { GatewaySocket } from '../../../src/sockets/socket.js';
import { createTestClock } from '../../support/clock.js';
import { createRandom } from '../../support/random.js';

const recipient = withKey({ site: '', userId: 'u' });
const toEntry = (position: number): Entry =>
  createEntry({
    id: String(position),
    recipient,
    position,
    namespace: '/v1/shared',
    body: JSON.stringify(['m', position]),
    createdAt: 0,
    expireAt: null,
    isResync: false,
    keepsReceipt: false,
    hasPush: false,
  });

/** An outbox over a log in memory, with a client that acknowledges when the test says so. */
function openOutbox() {
  const log: Entry[] = [];
  const received: number[] = [];
  const unacknowledged: (() => void)[] = [];
  const emit = (event: string, payload: unknown, acknowledge: () => void): void => {
    if (event === '_batch') received.push(...(payload as [string, number][]).map(([, position]) => position));
    else received.push(payload as number);
    unacknowledged.push(acknowledge);
  };
  const read = async ({ after, limit }: LogQuery) => {
    const entries = log.filter(({ position }) => position > after).slice(0, limit);
    return { entries, isLast: entries.length < limit };
  };
  const socket = { nsp: { name: '/v1/shared' }, data: {}, emit } as unknown as GatewaySocket;
  const outbox: Outbox = new Outbox(
    socket,
    { recipient, deviceId: 'd' },
    {
      log: { read } as unknown as Log,
      clock: createTestClock(),
      listener: {
        acknowledged: (_outbox, entries) => {
          for (const entry of entries) outbox.settle(entry);
        },
        sent: () => undefined,
        expired: () => undefined,
        resynced: () => undefined,
        readFailed: (error) => {
          throw error;
        },
      },
    },
  );
  const cursor = {
    device: outbox.device,
    acked: {},
    start: 0,
    sent: {},
    revision: 0,
    isDirty: false,
    needsResync: false,
    outcomes: [],
    usedAt: 0,
  };
  return {
    outbox,
    log,
    received,
    cursor,
    store: (count: number): void => {
      for (let n = 0; n < count; n += 1) log.push(toEntry(log.length + 1));
    },
    /** Acknowledges the oldest messages that are not. */
    acknowledge: (count: number): void => {
      for (const acknowledge of unacknowledged.splice(0, count)) acknowledge();
    },
  };
}

/** Lets everything run that does not wait for the client: promises settle before the next turn of the event loop. */
const settle = () => setImmediate();
const upTo = (last: number) => Array.from({ length: last }, (_, index) => index + 1);

test('reads on after a full window without a notification of further entries', async () => {
  const { outbox, store, received, acknowledge, cursor } = openOutbox();
  store(2 * WINDOW_MAX + 300);
  // Only the first entry is known to exist; the others were stored by a node whose notifications were lost.
  outbox.resume({ cursor, position: 0, last: 1 });
  for (let round = 0; round < 6; round += 1) {
    await settle();
    acknowledge(WINDOW_MAX);
  }
  expect(received).toEqual(upTo(2 * WINDOW_MAX + 300));
  await settle();
  expect(outbox.isIdle).toBe(true);
});

test('sends a message that is stored right after it has read everything', async () => {
  const { outbox, store, received, acknowledge, cursor, log } = openOutbox();
  store(WINDOW_MAX);
  outbox.resume({ cursor, position: 0, last: 1 });
  await settle();
  acknowledge(WINDOW_MAX);
  await settle();
  store(1);
  outbox.offer(log.at(-1) as Entry);
  await settle();
  expect(received).toEqual(upTo(WINDOW_MAX + 1));
});

test.each([1, 2, 3, 4, 5, 6, 7, 8])('sends every entry once and in order (seed %i)', async (seed) => {
  const { outbox, store, received, acknowledge, cursor, log } = openOutbox();
  const { next: random } = createRandom(seed);
  store(Math.floor(random() * 1500));
  const isOld = ({ position }: Entry): boolean => position <= 700 * random();
  const first = random() < 0.5 ? { entries: log.slice(0, 100), isLast: log.length <= 100 } : undefined;
  const opening = outbox.catchUp({ cursor, position: 0, last: 0 }, { isOld, first });
  for (let step = 0; step < 60; step += 1) {
    const choice = random();
    if (choice < 0.3) {
      const first = log.length;
      store(Math.floor(random() * 40));
      // Most notifications arrive, in an order of their own.
      const told = log.slice(first).filter(() => random() < 0.7);
      if (random() < 0.3) told.reverse();
      for (const entry of told) outbox.offer(entry);
    } else if (choice < 0.8) {
      acknowledge(Math.floor(random() * 300));
    }
    if (random() < 0.5) await settle();
  }
  outbox.notice(log.length);
  while (received.length < log.length || !outbox.isIdle) {
    await settle();
    acknowledge(1 + Math.floor(random() * 200));
  }
  await opening;
  expect(received).toEqual(upTo(log.length));
});

import { setImmediate } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, test } from 'vitest';
import { withKey } from '../../../../src/realtime/delivery/message.js';
import { Outbox } from '../../../../src/realtime/delivery/outbox/outbox.js';
import { WINDOW_MAX, WINDOW_MAX_CHARACTERS } from '../../../../src/realtime/delivery/outbox/window.js';
import { createEntry, type Entry } from '../../../../src/realtime/delivery/storage/entry.js';
import type { Log, LogQuery } from '../../../../src/realtime/delivery/storage/log.js';
import type { GatewaySocket } from '../../../../src/sockets/socket.js';
import { createTestClock } from '../../../support/clock.js';
import { createRandom } from '../../../support/random.js';

const recipient = withKey({ site: '', userId: 'u' });
const toEntry = (position: number, filling = ''): Entry =>
  createEntry({
    id: String(position),
    recipient,
    position,
    namespace: '/v1/shared',
    body: JSON.stringify(['m', position, ...(filling === '' ? [] : [filling])]),
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
  /** Messages that each read asked for. */
  const limits: number[] = [];
  const emit = (event: string, payload: unknown, ...rest: unknown[]): void => {
    if (event === '_batch') received.push(...(payload as [string, number][]).map(([, position]) => position));
    else received.push(payload as number);
    unacknowledged.push(rest.at(-1) as () => void);
  };
  const read = async ({ after, limit }: LogQuery) => {
    limits.push(limit);
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
    limits,
    store: (count: number, filling?: string): void => {
      for (let n = 0; n < count; n += 1) log.push(toEntry(log.length + 1, filling));
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

test('large messages that are not acknowledged hold up those that follow', async () => {
  const { outbox, store, received, acknowledge, cursor, log } = openOutbox();
  outbox.resume({ cursor, position: 0, last: 0 });
  const atOnce = 4;
  store(20, 'x'.repeat(WINDOW_MAX_CHARACTERS / atOnce));
  for (const entry of log) outbox.offer(entry);
  await settle();
  expect(received).toEqual(upTo(atOnce));
  while (received.length < log.length) {
    const before = received.length;
    acknowledge(atOnce);
    await settle();
    expect(received.length).toBeLessThanOrEqual(before + atOnce);
  }
  expect(received).toEqual(upTo(20));
});

test('a read asks for fewer messages when those before were large', async () => {
  const { outbox, store, received, acknowledge, cursor, limits } = openOutbox();
  store(WINDOW_MAX, 'x'.repeat(WINDOW_MAX_CHARACTERS / 4));
  store(WINDOW_MAX);
  outbox.resume({ cursor, position: 0, last: 2 * WINDOW_MAX });
  while (received.length < 2 * WINDOW_MAX) {
    await settle();
    acknowledge(WINDOW_MAX);
  }
  expect(received).toEqual(upTo(2 * WINDOW_MAX));
  expect(limits[0]).toBe(WINDOW_MAX);
  expect(Math.max(...limits.slice(1, WINDOW_MAX / 4))).toBeLessThan(10);
  expect(limits.at(-1)).toBe(WINDOW_MAX);
});

test.each(['in a batch', 'live'])('what was sent %s is not held until it is acknowledged', async (way) => {
  const { outbox, received, acknowledge, cursor } = openOutbox();
  setFlagsFromString('--expose-gc');
  const collectGarbage = runInNewContext('gc') as () => void;
  const send = (): WeakRef<Entry>[] => {
    const entries = [1, 2, 3].map((position) => toEntry(position));
    const beginning = { cursor, position: 0, last: 0 };
    if (way === 'live') {
      outbox.resume(beginning);
      for (const entry of entries) outbox.offer(entry);
    } else void outbox.catchUp(beginning, { isOld: () => true, first: { entries, isLast: true } });
    return entries.map((entry) => new WeakRef(entry));
  };
  const sent = send();
  // A reference keeps its object until the turn of the event loop has ended.
  await settle();
  collectGarbage();
  expect(received).toEqual([1, 2, 3]);
  expect(outbox.waiting).toBe(3);
  expect(sent.map((entry) => entry.deref())).toEqual([undefined, undefined, undefined]);
  acknowledge(3);
  expect(outbox.waiting).toBe(0);
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

import { pino } from 'pino';
import { expect, onTestFinished, test, vi } from 'vitest';
import {
  type CursorChange,
  CursorWriter,
  FLUSH_DELAY_MS,
  FLUSH_SPACING_MS,
} from '../../../../src/realtime/delivery/devices/cursor-writer.js';
import { Cursors } from '../../../../src/realtime/delivery/devices/cursors.js';
import { withKey } from '../../../../src/realtime/delivery/message.js';

type Outcomes = CursorChange['outcomes'];
interface Written {
  readonly positions: readonly number[];
  readonly at: number;
  readonly expiry?: string;
}

/** What is written of the outcome of some entries. */
interface OutcomeUpdate {
  readonly updateMany: {
    readonly filter: { readonly position: { readonly $in: readonly number[] } };
    readonly update: {
      readonly $push: {
        readonly outcomes: { readonly $each: readonly [{ readonly at: Date; readonly expiry?: string }] };
      };
    };
  };
}

/** What is written for outcomes of one device. @param remove removes the pushes of acknowledged messages */
async function write(
  outcomes: readonly (readonly [position: number, at: number, expiry?: 'ttl'])[],
  remove = async (): Promise<void> => undefined,
): Promise<Written[]> {
  const written: Written[] = [];
  const note = ({ updateMany: { filter, update } }: OutcomeUpdate): void => {
    const [{ at, expiry }] = update.$push.outcomes.$each;
    written.push({ positions: filter.position.$in, at: at.getTime(), ...(expiry && { expiry }) });
  };
  const log = { collection: { bulkWrite: async (updates: readonly OutcomeUpdate[]) => updates.forEach(note) } };
  const writer = new CursorWriter({
    log,
    mailboxes: {},
    pushStore: { remove },
    onRemoved: async () => undefined,
    report: () => undefined,
  } as unknown as ConstructorParameters<typeof CursorWriter>[0]);
  const cursor = { device: { recipient: withKey({ site: '', userId: 'someone' }), deviceId: 'phone' } };
  const all = outcomes.map(([position, at, expiry]) => ({
    entry: { id: String(position), position, keepsReceipt: true, hasPush: false },
    at,
    ...(expiry && { expiry }),
  }));
  await writer.write([{ cursor, outcomes: all as unknown as Outcomes, isDirty: false } as unknown as CursorChange]);
  return written;
}

test('acknowledgements that were collected for one write are one update, with the time of the last', async () => {
  const outcomes = Array.from({ length: FLUSH_DELAY_MS }, (_, n) => [n + 1, 1000 + n] as const);
  const positions = outcomes.map(([position]) => position);
  expect(await write(outcomes)).toEqual([{ positions, at: 1000 + FLUSH_DELAY_MS - 1 }]);
});

test('acknowledgements that waited for the database keep their times', async () => {
  expect(
    await write([
      [1, 1000],
      [2, 1001],
      [3, 3000],
      [4, 3002],
    ]),
  ).toEqual([
    { positions: [1, 2], at: 1001 },
    { positions: [3, 4], at: 3002 },
  ]);
});

test('expirations keep their exact times', async () => {
  expect(
    await write([
      [1, 1000, 'ttl'],
      [2, 1001],
      [3, 1001, 'ttl'],
      [4, 1001, 'ttl'],
    ]),
  ).toEqual([
    { positions: [2], at: 1001 },
    { positions: [1], at: 1000, expiry: 'ttl' },
    { positions: [3, 4], at: 1001, expiry: 'ttl' },
  ]);
});

test('acknowledgements are stored while pushes cannot be removed', async () => {
  const written = await write([[1, 1000]], () => Promise.reject(new Error('the database refuses it')));
  expect(written).toEqual([{ positions: [1], at: 1000 }]);
});

test('one acknowledgement is written soon, many in a row with few writes, and all of them', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
  onTestFinished(() => void vi.useRealTimers());
  const writes: { readonly at: number; readonly upTo: number | undefined }[] = [];
  const write = async ([change]: readonly CursorChange[]): Promise<void> => {
    writes.push({ at: performance.now() - startedAt, upTo: change?.cursor.acked['/n']?.upTo });
  };
  const writer = { write } as unknown as CursorWriter;
  const cursors = new Cursors({ writer, logger: pino({ level: 'silent' }), now: () => 0 });
  const device = { recipient: withKey({ site: '', userId: 'someone' }), deviceId: 'phone' };
  const cursor = cursors.of(device, { acked: {}, start: 0, sent: {}, revision: 0 });
  const startedAt = performance.now();
  const acknowledge = (upTo: number): void => cursors.acknowledge(cursor, { '/n': { upTo, holes: [] } }, []);

  acknowledge(1);
  await vi.advanceTimersByTimeAsync(FLUSH_DELAY_MS);
  expect(writes).toEqual([{ at: FLUSH_DELAY_MS, upTo: 1 }]);
  for (let upTo = 2; upTo <= 101; upTo += 1) {
    acknowledge(upTo);
    await vi.advanceTimersByTimeAsync(10);
  }
  await vi.advanceTimersByTimeAsync(FLUSH_SPACING_MS);
  const spaces = writes.slice(1).map(({ at }, index) => at - (writes[index]?.at ?? 0));
  expect(Math.min(...spaces)).toBeGreaterThanOrEqual(FLUSH_SPACING_MS);
  expect(writes).toHaveLength(5);
  expect(writes.at(-1)?.upTo).toBe(101);

  // What has to be stored now does not wait.
  acknowledge(102);
  await cursors.flush();
  expect(writes.at(-1)?.upTo).toBe(102);
});

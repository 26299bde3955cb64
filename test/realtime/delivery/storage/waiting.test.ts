import { expect, test } from 'vitest';
import { withKey } from '../../../../src/realtime/delivery/message.js';
import { Log } from '../../../../src/realtime/delivery/storage/log.js';
import { Positions } from '../../../../src/realtime/delivery/storage/positions.js';
import { readWaiting } from '../../../../src/realtime/delivery/storage/waiting.js';
import { createTestClock } from '../../../support/clock.js';

interface Scan {
  readonly recipient: string;
  readonly position: { readonly $gt: number };
  readonly namespace: string | { readonly $in: readonly string[] };
}

/** A log to which entries are added between the scans of one query, as MongoDB lets them be when it yields. */
function createGrowingLog(recipient: string) {
  const stored: { recipient: string; position: number; namespace: string; body: string; createdAt: Date }[] = [];
  const store = (namespace: string): void => {
    stored.push({ recipient, position: stored.length + 1, namespace, body: '["m"]', createdAt: new Date(0) });
  };
  async function* scanAll(scans: readonly Scan[]) {
    const found = new Set<object>();
    for (const { position, namespace } of scans) {
      const wanted = typeof namespace === 'string' ? [namespace] : namespace.$in;
      for (const entry of stored.filter((one) => one.position > position.$gt && wanted.includes(one.namespace))) {
        if (!found.has(entry)) yield entry;
        found.add(entry);
      }
      for (const one of ['/v1/conversation', '/v1/shared', '*']) store(one);
    }
  }
  const collection = { find: ({ $or }: { $or: readonly Scan[] }) => ({ limit: () => scanAll($or) }) };
  return { stored, store, models: { DeliveryEntry: { collection } } as never };
}

test('of what waits for devices that connect together nothing is left out below an entry that is found', async () => {
  const recipient = withKey({ site: '', userId: 'ann' });
  const { stored, store, models } = createGrowingLog(recipient.key);
  const clock = createTestClock();
  const log = new Log({ models, clock, positions: new Positions(clock) });
  store('*');
  const devices = ['/v1/shared', '/v1/conversation'].map((namespace, index) => ({
    recipient,
    deviceId: `device ${index}`,
    ranges: [namespace, '*'].map((one) => ({ namespace: one, after: 0 })),
  }));
  const found = await readWaiting(log, devices, 100);
  for (const [index, { ranges }] of devices.entries()) {
    const positions = found?.[index]?.map(({ position }) => position) ?? [];
    const last = positions.at(-1) ?? 0;
    const own = stored.filter(({ namespace }) => ranges.some((range) => range.namespace === namespace));
    expect(positions).toEqual(own.flatMap(({ position }) => (position <= last ? position : [])));
  }
});

import { expect, test } from 'vitest';
import { systemClock } from '../../../../src/platform/time/clock.js';
import { Devices } from '../../../../src/realtime/delivery/devices/devices.js';
import { GENERAL_SITE, type KeyedRecipient, withKey } from '../../../../src/realtime/delivery/message.js';
import { createTestClock } from '../../../support/clock.js';

test('sockets of one device that come together are one update of its mailbox', async () => {
  const updates: { updateOne: { filter: { _id: string } } }[] = [];
  const collection = { bulkWrite: async (batch: typeof updates) => void updates.push(...batch) };
  const devices = new Devices({
    mailboxes: { collection },
    nodes: { own: 'node' },
    clock: systemClock,
    isHere: () => true,
  } as unknown as ConstructorParameters<typeof Devices>[0]);
  const [ann, bob] = ['ann', 'bob'].map((userId) => withKey({ site: GENERAL_SITE, userId })) as [
    KeyedRecipient,
    KeyedRecipient,
  ];
  const connected = [
    ...Array.from({ length: 100 }, () => ({ recipient: ann, deviceId: '' })),
    { recipient: ann, deviceId: 'phone' },
    { recipient: bob, deviceId: '' },
  ];
  await Promise.all(connected.map((device) => devices.noteConnection(device)));
  expect(updates.map(({ updateOne }) => updateOne.filter)).toEqual(
    [[ann, ''] as const, [ann, 'phone'] as const, [bob, ''] as const].map(([{ key }, id]) => ({
      _id: key,
      devices: { $elemMatch: { id, nodes: { $ne: 'node' } } },
    })),
  );
});

test('what is stored later has the time at which it happened, and of several the last', async () => {
  const clock = createTestClock();
  const begun = clock.now();
  const updates: { updateOne: { update: { $max: { 'devices.$.seenAt': Date } } } }[] = [];
  const collection = { bulkWrite: async (batch: typeof updates) => void updates.push(...batch) };
  const devices = new Devices({
    mailboxes: { collection },
    nodes: { own: 'node' },
    clock,
    isHere: () => false,
  } as unknown as ConstructorParameters<typeof Devices>[0]);
  const recipient = withKey({ site: GENERAL_SITE, userId: 'ann' });
  const noted = ['phone', 'tablet', 'phone'].map((deviceId) => {
    clock.advance(10);
    return devices.noteConnection({ recipient, deviceId });
  });
  clock.advance(200);
  await Promise.all(noted);
  const times = updates.map(({ updateOne: { update } }) => update.$max['devices.$.seenAt'].getTime() - begun);
  expect(times).toEqual([30, 20]);
});

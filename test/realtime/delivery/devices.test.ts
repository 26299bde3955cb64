import { expect, test } from 'vitest';
import { systemClock } from '../../../src/platform/clock.js';
import { Devices } from '../../../src/realtime/delivery/devices.js';
import { GENERAL_SITE, type KeyedRecipient, withKey } from '../../../src/realtime/delivery/message.js';

test('sockets of one device that come together are one update of its mailbox', async () => {
  const updates: { updateOne: { filter: { _id: string } } }[] = [];
  const collection = { bulkWrite: async (batch: typeof updates) => void updates.push(...batch) };
  const devices = new Devices({
    ...{ mailboxes: { collection }, nodes: { own: 'node' }, clock: systemClock, isHere: () => true },
  } as unknown as ConstructorParameters<typeof Devices>[0]);
  const [ann, bob] = ['ann', 'bob'].map((userId) => withKey({ site: GENERAL_SITE, userId })) as [
    KeyedRecipient,
    KeyedRecipient,
  ];
  const connected = [
    ...Array.from({ length: 100 }, () => ({ recipient: ann, deviceId: '' })),
    ...[
      { recipient: ann, deviceId: 'phone' },
      { recipient: bob, deviceId: '' },
    ],
  ];
  await Promise.all(connected.map((device) => devices.noteConnection(device)));
  expect(updates.map(({ updateOne }) => updateOne.filter)).toEqual(
    [[ann, ''] as const, [ann, 'phone'] as const, [bob, ''] as const].map(([{ key }, id]) => ({
      _id: key,
      devices: { $elemMatch: { id, nodes: { $ne: 'node' } } },
    })),
  );
});

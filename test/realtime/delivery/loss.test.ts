import { afterAll, beforeAll, expect, test } from 'vitest';
import { systemClock } from '../../../src/platform/clock.js';
import { DeviceExpiry } from '../../../src/realtime/delivery/device-expiry.js';
import { QueueLimits } from '../../../src/realtime/delivery/limits.js';
import { Mailboxes } from '../../../src/realtime/delivery/mailboxes.js';
import { withKey } from '../../../src/realtime/delivery/message.js';
import { createTestEnvironment, type TestEnvironment } from '../../support/environment.js';

const MAX = 3;
const recipient = withKey({ site: '', userId: 'cut' });

let environment: TestEnvironment;
beforeAll(async () => {
  environment = await createTestEnvironment({ nodes: 0 });
});
afterAll(() => environment.close());

/** Mailboxes of a node that ends after a number of writes. */
function createMailboxes(writes: number): Mailboxes {
  const mailboxes = new Mailboxes(environment.models.DeliveryRecipient);
  let left = writes;
  const collection = new Proxy(mailboxes.collection, {
    get(target, name) {
      if (name === 'updateOne') {
        if (left === 0) return () => Promise.reject(new Error('the node has ended'));
        left -= 1;
      }
      const value: unknown = Reflect.get(target, name);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
  return Object.assign(mailboxes, { collection });
}

const phone = { id: 'phone', start: 0, acked: {}, revision: 0, sent: {} };

async function storeDevice(seenAt: Date): Promise<void> {
  const { DeliveryRecipient } = environment.models;
  await DeliveryRecipient.deleteMany({});
  const device = { ...phone, seenAt, connectedAt: seenAt };
  await DeliveryRecipient.collection.insertOne({ _id: recipient.key as never, start: 0, devices: [device] });
}

test('of two nodes that remove a device at once, none takes back that it is told', async () => {
  await storeDevice(new Date(0));
  const { DeliveryRecipient, DeliveryEntry } = environment.models;
  const nodes = { heartbeatsOf: async () => ({ seenAt: () => 0, isConnected: () => false }) };
  const log = { collection: DeliveryEntry.collection, readLast: async () => 0 };
  const mailboxes = new Mailboxes(DeliveryRecipient);
  const createNode = () =>
    new DeviceExpiry({
      ...{ mailboxes, log, nodes, clock: systemClock, ttlMs: 1000, isHere: () => false },
    } as unknown as ConstructorParameters<typeof DeviceExpiry>[0]);

  await Promise.all([createNode(), createNode(), createNode()].map((node) => node.removeAway()));

  expect(await mailboxes.get(recipient.key)).toMatchObject({ devices: [], resyncFlags: ['phone'] });
});

test.each([0, 1, 2])('a node that ends after %i writes of a trim leaves no loss without a flag', async (writes) => {
  const { DeliveryRecipient, DeliveryEntry } = environment.models;
  await Promise.all([storeDevice(new Date()), DeliveryEntry.deleteMany({})]);
  const entries = Array.from({ length: 2 * MAX }, (_, index) => ({
    ...{ _id: `m${index}`, recipient: recipient.key, position: index + 1, namespace: '*', body: '["m"]' },
    ...{ createdAt: new Date(), checkAt: new Date() },
  }));
  await DeliveryEntry.insertMany(entries);
  const log = { collection: DeliveryEntry.collection };
  const limits = new QueueLimits({
    ...{ mailboxes: createMailboxes(writes), log, clock: systemClock, max: MAX },
  } as ConstructorParameters<typeof QueueLimits>[0]);

  await limits.trimDevice({ recipient, deviceId: 'phone' }).catch(() => undefined);

  const { devices, resyncFlags } = await new Mailboxes(DeliveryRecipient).get(recipient.key);
  const hasLost = (devices[0]?.start ?? 0) > 0;
  expect(hasLost).toBe(writes > 0);
  expect(resyncFlags).toEqual(hasLost ? ['phone'] : []);
});

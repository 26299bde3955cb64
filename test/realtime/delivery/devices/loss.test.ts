import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { createTaskTracker } from '../../../../src/platform/concurrency/task-tracker.js';
import { createMetrics } from '../../../../src/platform/metrics.js';
import { systemClock } from '../../../../src/platform/time/clock.js';
import { CursorWriter } from '../../../../src/realtime/delivery/devices/cursor-writer.js';
import { Cursors } from '../../../../src/realtime/delivery/devices/cursors.js';
import { Devices } from '../../../../src/realtime/delivery/devices/devices.js';
import { DeviceExpiry } from '../../../../src/realtime/delivery/devices/expiry.js';
import { QueueLimits } from '../../../../src/realtime/delivery/devices/queue-limits.js';
import { Purge } from '../../../../src/realtime/delivery/maintenance/purge.js';
import { createDeliveryMeasures } from '../../../../src/realtime/delivery/measures.js';
import { withKey } from '../../../../src/realtime/delivery/message.js';
import { Acknowledgements } from '../../../../src/realtime/delivery/outbox/acknowledgements.js';
import { Opener } from '../../../../src/realtime/delivery/outbox/opener.js';
import { Outbox } from '../../../../src/realtime/delivery/outbox/outbox.js';
import { createEntry, toDocument } from '../../../../src/realtime/delivery/storage/entry.js';
import { Log } from '../../../../src/realtime/delivery/storage/log.js';
import { Mailboxes } from '../../../../src/realtime/delivery/storage/mailboxes.js';
import { type LoggedEntry, outcomesOf } from '../../../../src/realtime/delivery/storage/outcomes.js';
import { Positions } from '../../../../src/realtime/delivery/storage/positions.js';
import type { GatewaySocket } from '../../../../src/sockets/socket.js';
import { createTestEnvironment, type TestEnvironment } from '../../../support/environment.js';
import { until } from '../../../support/until.js';

const MAX = 3;
const NAMESPACE = '/v1/shared';
const createRecipient = () => withKey({ site: '', userId: randomUUID() });
// Of each test: a cursor whose write has failed writes again later, when its test has ended.
let recipient: ReturnType<typeof createRecipient>;
let device: { readonly recipient: typeof recipient; readonly deviceId: string };
const silent = { warn: () => undefined } as never;

let environment: TestEnvironment;
beforeAll(async () => {
  environment = await createTestEnvironment({ nodes: 0 });
});
afterAll(() => environment.close());
beforeEach(async () => {
  recipient = createRecipient();
  device = { recipient, deviceId: 'phone' };
  const { DeliveryRecipient, DeliveryEntry } = environment.models;
  await Promise.all([DeliveryRecipient.deleteMany({}), DeliveryEntry.deleteMany({})]);
});

/** A node ends after so many writes. */
const endsAfter = (count: number) => (write: number) => write >= count;

/** What a node stores. @param fails whether its first write, its second, … fails; from 0 */
function createNode(fails: (write: number) => boolean = () => false) {
  let write = -1;
  const withFailures = <Collection extends object>(collection: Collection): Collection =>
    new Proxy(collection, {
      get(target, name) {
        const value: unknown = Reflect.get(target, name);
        if (typeof value !== 'function') return value;
        if (name !== 'updateOne' && name !== 'bulkWrite' && name !== 'updateMany') return value.bind(target);
        write += 1;
        return fails(write) ? () => Promise.reject(new Error('not written')) : value.bind(target);
      },
    });
  const { models } = environment;
  const mailboxes = new Mailboxes(models.DeliveryRecipient);
  const log = new Log({ models, clock: systemClock, positions: new Positions(systemClock) });
  return {
    mailboxes: Object.assign(mailboxes, { collection: withFailures(mailboxes.collection) }),
    log: Object.assign(log, { collection: withFailures(log.collection) }),
  };
}

const phone = { id: 'phone', start: 0, acked: {}, revision: 0, sent: {} };

async function storeDevice(seenAt = new Date()): Promise<void> {
  const { DeliveryRecipient } = environment.models;
  const stored = { ...phone, seenAt, connectedAt: seenAt };
  await DeliveryRecipient.collection.insertOne({ _id: recipient.key as never, start: 0, devices: [stored] });
}

async function storeEntries(count: number, expireAt: number | null = null, keepsReceipt = false): Promise<void> {
  const documents = Array.from({ length: count }, (_, index) => {
    const fields = { id: `m${index}`, recipient, position: index + 1, namespace: NAMESPACE, body: '["m"]', expireAt };
    const flags = { isResync: false, keepsReceipt, hasPush: false };
    return toDocument(createEntry({ ...fields, ...flags, createdAt: 0 }), { storedAt: 0, receiptTtlMs: 0 });
  });
  await environment.models.DeliveryEntry.collection.insertMany(documents as never[]);
}

/** What is stored, as a node sees it that starts later. */
async function readStored() {
  const { mailboxes, log } = createNode();
  const { devices, resyncFlags } = await mailboxes.get(recipient.key);
  const query = { recipient, namespaces: [NAMESPACE], after: devices[0]?.start ?? 0, deviceId: 'phone', limit: 100 };
  const { entries } = await log.read(query);
  const acked = devices[0]?.acked[NAMESPACE]?.upTo ?? 0;
  return { waiting: entries.filter(({ position }) => position > acked).length, resyncFlags, devices };
}

test('of two nodes that remove a device at once, none takes back that it is told', async () => {
  await storeDevice(new Date(0));
  const nodes = { heartbeatsOf: async () => ({ seenAt: () => 0, isConnected: () => false }) };
  const removals = [createNode(), createNode(), createNode()].map(({ mailboxes, log }) =>
    new DeviceExpiry({
      mailboxes,
      log,
      nodes,
      clock: systemClock,
      ttlMs: 1000,
      isHere: () => false,
      onCut: () => undefined,
    } as unknown as ConstructorParameters<typeof DeviceExpiry>[0]).removeAway(),
  );

  await Promise.all(removals);

  expect(await readStored()).toMatchObject({ devices: [], resyncFlags: ['phone'] });
});

test.each([0, 1, 2])('a node that ends after %i writes of a trim leaves no loss without a flag', async (writes) => {
  await Promise.all([storeDevice(), storeEntries(2 * MAX)]);
  const limits = new QueueLimits({
    ...createNode(endsAfter(writes)),
    clock: systemClock,
    max: MAX,
    onCut: () => undefined,
  });

  await limits.trimDevice(device).catch(() => undefined);

  const { waiting, resyncFlags } = await readStored();
  expect(waiting).toBe(writes > 0 ? MAX : 2 * MAX);
  expect(resyncFlags).toEqual(writes > 0 ? ['phone'] : []);
});

test.each([0, 1, 2])(
  'a node that ends after %i writes of a cleared queue leaves no loss without a flag',
  async (writes) => {
    await Promise.all([storeDevice(), storeEntries(MAX)]);
    const limits = new QueueLimits({
      ...createNode(endsAfter(writes)),
      clock: systemClock,
      max: MAX,
      onCut: () => undefined,
    });

    await limits.clear(device, { reason: 'cleared', isNeeded: () => true }).catch(() => undefined);

    const { waiting, resyncFlags } = await readStored();
    expect(waiting).toBe(writes > 0 ? 0 : MAX);
    expect(resyncFlags).toEqual(writes > 0 ? ['phone'] : []);
  },
);

/** An outbox whose client acknowledges everything at once. */
function openOutbox({ mailboxes, log }: ReturnType<typeof createNode>) {
  const outboxes: Outbox[] = [];
  const events: string[] = [];
  const socket = {
    nsp: { name: NAMESPACE },
    data: {},
    emit: (event: string, acknowledge?: () => void) => {
      events.push(event);
      acknowledge?.();
    },
  } as unknown as GatewaySocket;
  const writer = new CursorWriter({
    mailboxes,
    log,
    pushStore: { remove: async () => undefined },
    onRemoved: async () => undefined,
    report: () => undefined,
  });
  const cursors = new Cursors({ writer, logger: silent, now: Date.now });
  const report = (): void => undefined;
  const tasks = createTaskTracker(report);
  const sockets = { outboxesOf: () => outboxes } as never;
  const limits = new QueueLimits({ mailboxes, log, clock: systemClock, max: MAX, onCut: () => undefined });
  const clearing = { beginAnew: async () => undefined };
  const measures = createDeliveryMeasures({ metrics: createMetrics(), clock: systemClock, tracing: undefined });
  const listener = new Acknowledgements({ sockets, cursors, limits, clearing, tasks, measures, report });
  const outbox = new Outbox(socket, device, { log, clock: systemClock, listener });
  outboxes.push(outbox);
  return { outbox, events, tasks, cursors, cursor: cursors.of(device, phone) };
}

/** A message expires before it is sent to a client that is connected, which must be notified when it connects next. */
async function expireLive(fails: (write: number) => boolean) {
  await Promise.all([storeDevice(), storeEntries(1, 1)]);
  const { outbox, cursors, cursor, tasks } = openOutbox(createNode(fails));
  outbox.resume({ cursor, position: 0, last: 1 });
  await until(() => outbox.isIdle);
  await cursors.flush();
  await tasks.ended();
  return readStored();
}

test.each([0, 1, 2])(
  'a node that ends after %i writes of an expiration leaves no loss without a flag',
  async (writes) => {
    const { waiting, resyncFlags } = await expireLive(endsAfter(writes));
    expect(resyncFlags).toEqual(writes > 0 ? ['phone'] : []);
    if (resyncFlags.length === 0) expect(waiting).toBe(1);
    if (writes === 2) expect(waiting).toBe(0);
  },
);

test.each([0, 1])('the failure of write %i of an expiration leaves no loss without a flag', async (failing) => {
  const { waiting, resyncFlags } = await expireLive((write) => write === failing);
  if (resyncFlags.length === 0) expect(waiting).toBe(1);
});

/**
 * The state of the first message on the device, as a node reports it that starts later.
 * @param now Unix time in milliseconds
 */
async function readState(now: number): Promise<string | undefined> {
  const { mailboxes, log } = createNode();
  const first = await log.collection.findOne({ recipient: recipient.key, position: 1 });
  return outcomesOf(first as unknown as LoggedEntry, await mailboxes.get(recipient.key), now)[0]?.state;
}

/** A client is sent two messages with receipts, and acknowledges them. @param expireAt of the first one */
async function sendTwo(expireAt: number, fails: (write: number) => boolean): Promise<void> {
  await Promise.all([storeDevice(), storeEntries(2, null, true)]);
  const first = { recipient: recipient.key, position: 1 };
  await environment.models.DeliveryEntry.updateOne(first, { $set: { expireAt: new Date(expireAt) } });
  const { outbox, cursors, cursor, tasks } = openOutbox(createNode(fails));
  outbox.resume({ cursor, position: 0, last: 2 });
  await until(() => outbox.isIdle);
  await cursors.flush();
  await tasks.ended();
}

test.each([0, 1, 2, 3])('after %i writes a message that expired never counts as acknowledged', async (writes) => {
  await sendTwo(1, endsAfter(writes));
  expect(await readState(Date.now())).toBe('expired');
});

test.each([0, 1, 2])('after %i writes a message that was acknowledged never counts as expired', async (writes) => {
  const expireAt = Date.now() + 60_000;
  await sendTwo(expireAt, endsAfter(writes));
  // Without a write nothing is known of it.
  expect(await readState(expireAt)).toBe(writes > 0 ? 'acked' : 'expired');
});

test('a client that was notified when it connected is notified again of messages that expire later', async () => {
  await storeDevice();
  const { outbox, cursors, cursor, events } = openOutbox(createNode());
  await outbox.catchUp({ cursor, position: 0, last: 0 }, { isOld: () => true });
  outbox.sendResync(0);
  await storeEntries(1, 1);
  outbox.notice(1);
  await until(() => outbox.isIdle);
  await cursors.flush();

  expect(events).toEqual(['_resync']);
  expect((await readStored()).resyncFlags).toEqual(['phone']);
});

test.each([0, 1, 2, 3])('a node that ends after %i writes of a purge leaves no loss without a flag', async (writes) => {
  await Promise.all([storeDevice(), storeEntries(MAX, 1)]);
  const purge = new Purge({ ...createNode(endsAfter(writes)), clock: systemClock, receiptTtlMs: 0 });

  await purge.run().catch(() => undefined);

  const { waiting, resyncFlags } = await readStored();
  if (resyncFlags.length === 0) expect(waiting).toBe(MAX);
  if (writes === 3) expect({ waiting, resyncFlags }).toEqual({ waiting: 0, resyncFlags: ['phone'] });
});

/** Registers a device that has just connected. */
function register({ mailboxes, log }: ReturnType<typeof createNode>, deviceId: string) {
  const nodes = { own: 'node' } as never;
  const devices = new Devices({ mailboxes, log, nodes, expiry: {} as never, clock: systemClock, isHere: () => true });
  const connection = { namespaces: [NAMESPACE], connectedAt: Date.now(), answered: undefined };
  return devices.register({ recipient, deviceId, ...connection });
}

test('the first device is notified of what was purged before it connected, no other device is', async () => {
  await storeEntries(MAX, 1);
  const { mailboxes, log } = createNode();
  await new Purge({ mailboxes, log, clock: systemClock, receiptTtlMs: 0 }).run();

  const { device: first, needsResync } = await register(createNode(), 'phone');
  // The node has ended before it told the client.
  const again = await register(createNode(), 'phone');
  expect([needsResync, again.needsResync]).toEqual([true, true]);
  await mailboxes.clearResync(device, first.revision);
  const others = [await register(createNode(), 'phone'), await register(createNode(), 'laptop')];
  expect(others.map((other) => other.needsResync)).toEqual([false, false]);
});

test('a further device that counts as flagged stays so until it was told', async () => {
  await storeDevice();
  await environment.models.DeliveryRecipient.collection.updateOne({}, { $set: { flagsUnknownDevices: true } });

  const registered = [await register(createNode(), 'laptop'), await register(createNode(), 'laptop')];

  expect(registered.map(({ isNew, needsResync }) => [isNew, needsResync])).toEqual([
    [true, true],
    [false, true],
  ]);
});

test('a loss while a client is told keeps the flag', async () => {
  await Promise.all([storeDevice(), storeEntries(2 * MAX)]);
  const { mailboxes, log } = createNode();
  await mailboxes.flagResync(device);
  const { device: told } = await register(createNode(), 'phone');
  await new QueueLimits({ mailboxes, log, clock: systemClock, max: MAX, onCut: () => undefined }).trimDevice(device);

  expect(await mailboxes.clearResync(device, told.revision)).toBe(false);
  expect((await readStored()).resyncFlags).toEqual(['phone']);
});

test('a client is told even if the database fails when its flag is cleared', async () => {
  await storeDevice();
  await createNode().mailboxes.flagResync(device);
  const { mailboxes, log } = createNode(endsAfter(0));
  const { outbox, events, cursors } = openOutbox({ mailboxes, log });
  let failures = 0;
  const opener = new Opener({
    outboxes: { open: () => outbox, isTold: () => false, releaseIdle: () => undefined },
    devices: { register: () => register(createNode(), 'phone'), noteConnection: async () => undefined },
    mailboxes,
    cursors,
    log,
    positions: new Positions(systemClock),
    mailboxMax: MAX,
    clock: { now: Date.now, after: () => undefined },
    tasks: createTaskTracker(() => undefined),
    report: () => {
      failures += 1;
    },
  } as unknown as ConstructorParameters<typeof Opener>[0]);

  opener.open(outbox.socket, recipient);
  await until(() => failures === 1);

  expect(events).toEqual(['_resync']);
  expect((await readStored()).resyncFlags).toEqual(['phone']);
});

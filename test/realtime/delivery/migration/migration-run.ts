import { setImmediate } from 'node:timers/promises';
import { type Connection, createConnection } from 'mongoose';
import { expect } from 'vitest';
import { defineModels } from '#shared/models/index.js';
import type { Clock } from '../../../../src/platform/time/clock.js';
import { keyOf, newId, recipientOf } from '../../../../src/realtime/delivery/message.js';
import { Migration } from '../../../../src/realtime/delivery/migration/index.js';
import { isAcked, lowestAcked } from '../../../../src/realtime/delivery/storage/acked.js';
import { Log } from '../../../../src/realtime/delivery/storage/log.js';
import { Mailboxes } from '../../../../src/realtime/delivery/storage/mailboxes.js';
import { Positions } from '../../../../src/realtime/delivery/storage/positions.js';
import { startEmbeddedDatabase, survivingOptions } from '../../../support/database.js';
import { startMongoProxy } from '../../../support/mongo-proxy.js';
import { createRandom } from '../../../support/random.js';

const namespace = '/v1/shared';
const RECEIPT_TTL_MS = 3_600_000;
/** Clocks of nodes differ by up to this much, in either direction. */
const SKEW_MS = 4000;

/** One run of {@link runMigration}. */
export interface MigrationRun {
  readonly seed: number;
  readonly recipients: number;
  /** Messages to each recipient before the first node of this version starts, and as many while the nodes migrate. */
  readonly messages: number;
}

/** What each device is to get, as the earlier version stored it. */
interface Expected {
  /** By recipient and device: messages that were stored for the device. */
  readonly addressed: Map<string, string[]>;
  /** By recipient: messages that wait for the first device. */
  readonly unclaimed: Map<string, string[]>;
}

const idOf = (user: number): string => keyOf({ site: '', userId: `u${user}` });
const addTo = (map: Map<string, string[]>, key: string, value: string): void => {
  map.set(key, [...(map.get(key) ?? []), value]);
};

/** A node of the earlier version: it counts, then stores one entry after the other. */
function createLegacyNode(connection: Connection, expected: Expected, random: () => number) {
  const recipients = connection.collection('delivery.recipients');
  const entries = connection.collection('delivery.entries');
  return {
    /** @param isSeen the device is connected now; else it was last seen long ago */
    async connect(recipient: string, id: string, isSeen: boolean): Promise<void> {
      const seenAt = new Date(Date.now() - (isSeen ? 0 : 600_000));
      const fresh = { $setOnInsert: { seq: 0, devices: [], cuts: [] } };
      await recipients.updateOne({ _id: recipient as never }, fresh, { upsert: true });
      const unknown = { _id: recipient as never, 'devices.id': { $ne: id } };
      await recipients.updateOne(unknown, { $push: { devices: { id, seenAt } } } as never);
    },

    async send(recipient: string, message: string): Promise<void> {
      const found = await recipients.findOneAndUpdate(
        { _id: recipient as never },
        { $inc: { seq: 1 }, $setOnInsert: { devices: [], cuts: [] } },
        { upsert: true, returnDocument: 'after' },
      );
      const { seq, devices } = found as unknown as { seq: number; devices: { id: string }[] };
      const addressees = devices.length === 0 ? [null] : devices.map(({ id }) => id);
      for (const device of addressees) {
        if (random() < 0.3) await setImmediate();
        const times = { at: new Date(), createdAt: new Date() };
        const state = { isPending: true, state: 'queued', keepsReceipt: true };
        const body = JSON.stringify(['m', message]);
        await entries.insertOne({ message, recipient, device, seq, namespace, body, ...times, ...state });
        if (device === null) addTo(expected.unclaimed, recipient, message);
        else addTo(expected.addressed, `${recipient} ${device}`, message);
      }
    },
  };
}

/** A node of this version. @param url of its database */
async function startNode(url: string, random: () => number) {
  const limits = { serverSelectionTimeoutMS: 2000, retryReads: false, retryWrites: false };
  const options = { ...survivingOptions, ...limits, autoIndex: false };
  const connection = await createConnection(url, options).asPromise();
  const models = defineModels(connection);
  const skewMs = (2 * random() - 1) * SKEW_MS;
  const never = (): (() => void) => () => undefined;
  const clock: Clock = { now: () => Date.now() + skewMs, after: never, every: never };
  const log = new Log({ models, clock, positions: new Positions(clock) });
  const mailboxes = new Mailboxes(models.DeliveryRecipient);
  const onAppended = (): void => undefined;
  const migration = new Migration({ models, log, mailboxes, clock, receiptTtlMs: RECEIPT_TTL_MS, onAppended });
  return { connection, log, mailboxes, migration };
}

type Node = Awaited<ReturnType<typeof startNode>>;

/** The devices of all recipients, and what reached them. */
function createReaders({ log, mailboxes }: Node) {
  const received = new Map<string, string[]>();
  /** Devices that were notified that they missed something. */
  const resynced = new Set<string>();
  return {
    received,
    resynced,
    /** Lets a device read and acknowledge what waits for it. */
    async read(key: string, deviceId: string): Promise<void> {
      const recipient = recipientOf(key);
      const { devices } = await mailboxes.get(key);
      const device = devices.find(({ id }) => id === deviceId);
      if (device === undefined) return;
      if (await mailboxes.clearResync({ recipient, deviceId }, device.revision)) resynced.add(`${key} ${deviceId}`);
      const { acked, start } = device;
      const query = { recipient, deviceId, namespaces: [namespace], limit: 1000 };
      const { entries } = await log.read({ ...query, after: lowestAcked(acked, start, namespace) });
      const pending = entries.filter((entry) => !isAcked(acked, start, entry));
      const last = entries.at(-1)?.position;
      if (last === undefined) return;
      for (const entry of pending) addTo(received, `${key} ${deviceId}`, String(entry.content[1]));
      await mailboxes.change({ recipient, deviceId }, () => ({ acked: { [namespace]: { upTo: last, holes: [] } } }));
    },
  };
}

/**
 * Nodes that migrate at the same time and of which some die at a random command, while a node of the earlier version goes
 * on storing, devices go on reading and clocks differ. The oracle is what the earlier version stored for each device.
 * @returns how many devices were notified that they had missed something
 */
export async function runMigration({ seed, recipients, messages }: MigrationRun): Promise<number> {
  const { next: random } = createRandom(seed);
  const choose = (count: number): number => Math.floor(random() * count);
  const database = await startEmbeddedDatabase();
  const observer = await startNode(database.url, () => 0.5);
  const expected: Expected = { addressed: new Map(), unclaimed: new Map() };
  const legacy = createLegacyNode(observer.connection, expected, random);
  const users = Array.from({ length: recipients }, (_, user) => user);
  const isInUse = (user: number): boolean => user % 2 === 0;
  let count = 0;

  const initial = new Set<string>();
  const act = async (user: number): Promise<void> => {
    if (random() < 0.12) await legacy.connect(idOf(user), `d${choose(3)}`, isInUse(user));
    count += 1;
    await legacy.send(idOf(user), `${String(count).padStart(5, '0')} ${newId()}`);
  };
  // Without a device the earlier version begins to count again once a recipient has been migrated.
  for (const user of users.filter(isInUse)) await legacy.connect(idOf(user), 'd0', true);
  for (const user of users) for (let n = 0; n < messages; n += 1) await act(user);

  for (const user of users) {
    const found = await observer.connection.collection('delivery.recipients').findOne({ _id: idOf(user) as never });
    for (const { id } of found?.['devices'] ?? []) initial.add(`${idOf(user)} ${id}`);
  }
  let isOver = false;
  const runNode = async (isMortal: boolean): Promise<void> => {
    const lifetime = isMortal ? 20 + choose(400) : Number.POSITIVE_INFINITY;
    let commands = 0;
    const proxy = await startMongoProxy(database.url, {
      async onCommand() {
        commands += 1;
        for (let turns = choose(4); turns > 0; turns -= 1) await setImmediate();
        return commands > lifetime ? 'cut' : undefined;
      },
    });
    const node = await startNode(proxy.url(), random);
    try {
      do await node.migration.run();
      while (isMortal && !isOver);
    } catch (error) {
      if (commands <= lifetime) throw error;
    }
    await node.connection.close();
    await proxy.close();
  };
  const readers = createReaders(observer);
  const read = async (): Promise<void> => {
    while (!isOver) {
      await readers.read(idOf(choose(recipients)), `d${choose(3)}`);
      await setImmediate();
    }
  };
  const write = async (): Promise<void> => {
    for (let n = 0; n < messages; n += 1) for (const user of users) await act(user);
    isOver = true;
  };
  const mortal = async (): Promise<void> => {
    while (!isOver) await runNode(true);
  };
  await Promise.all([write(), read(), mortal(), mortal(), mortal()]);
  await runNode(false);
  for (const user of users) for (const device of ['d0', 'd1', 'd2']) await readers.read(idOf(user), device);

  await judge(observer, { expected, readers, users, isInUse, initial });
  await observer.connection.close();
  await database.stop();
  return readers.resynced.size;
}

interface Outcome {
  readonly expected: Expected;
  readonly readers: ReturnType<typeof createReaders>;
  readonly users: readonly number[];
  readonly isInUse: (user: number) => boolean;
  /** Devices that were there before the first node of this version. Another may get what was sent before it came. */
  readonly initial: ReadonlySet<string>;
}

async function judge(node: Node, { expected, readers, users, isInUse, initial }: Outcome): Promise<void> {
  expect(await node.connection.collection('delivery.entries').countDocuments()).toBe(0);
  for (const user of users) {
    const recipient = idOf(user);
    const log = await node.log.collection.find({ recipient }).sort({ position: 1 }).toArray();
    expect(log.map(({ position }) => position)).toEqual(log.map((_, index) => index + 1));
    const times = log.map(({ createdAt }) => (createdAt as Date).getTime());
    expect(times).toEqual(times.toSorted((one, other) => one - other));
    const { devices } = await node.mailboxes.get(recipient);
    const unclaimed = expected.unclaimed.get(recipient) ?? [];
    const claimed = new Set<string>();
    for (const { id } of devices) {
      const key = `${recipient} ${id}`;
      const got = readers.received.get(key) ?? [];
      for (const message of got) claimed.add(message);
      expect(new Set(got).size, `${key} got a message twice`).toBe(got.length);
      const addressed = expected.addressed.get(key) ?? [];
      const foreign = got.filter((message) => !addressed.includes(message) && !unclaimed.includes(message));
      // Once a recipient that is not in use was migrated, the earlier version begins again with the devices that connect then. What
      // it sends is for those before, too.
      if (initial.has(key) && isInUse(user)) expect(foreign, `${key} got what was not for it`).toEqual([]);
      const missing = addressed.filter((message) => !got.includes(message));
      if (!readers.resynced.has(key)) expect(missing, `${key} was not told of what it missed`).toEqual([]);
      if (isInUse(user)) expect(got, `${key} got messages out of order`).toEqual(got.toSorted());
    }
    if (devices.length > 0) expect(unclaimed.filter((message) => !claimed.has(message))).toEqual([]);
  }
}

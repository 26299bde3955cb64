import { Types } from 'mongoose';
import type { Loss } from '#shared/models/delivery.js';
import type { Models } from '#shared/models/index.js';
import type { Clock } from '../../platform/clock.js';
import { createGroup } from '../../platform/gather.js';
import { fromDocument, type StoredEntry, toDocument, toEntry, toPushes } from './entries.js';
import { type Entry, keyOf, type NamedMessage, recipientOf } from './message.js';
import { createNumbers, type Taken } from './numbers.js';
import type { PushStore } from './push-store.js';

/** Messages that one database call stores, and acknowledgements that one takes away. */
const GROUP_MAX = 1000;

/** A device's queue is cut to its limit each time this share of the limit was added. */
const TRIM_SHARE = 100;

interface Options {
  models: Models;
  clock: Clock;
  pushStore: PushStore;
  /** Messages a device may have waiting; beyond that the oldest are lost, and the device is told. */
  mailboxMax: number;
  /** How long the state of a message can be asked for after its end. */
  receiptTtlMs: number;
  /** A socket of this device is connected to this node, where the namespace is heard. */
  isHere(recipient: string, device: string, namespace: string): boolean;
}

/** What is stored for each recipient and device, in order. All of it is in the database. */
export type Mailbox = ReturnType<typeof createMailbox>;

/** The mailbox over the delivery collections. */
export function createMailbox({ models, clock, pushStore, mailboxMax, receiptTtlMs, isHere }: Options) {
  const { collection } = models.DeliveryEntry;
  const recipients = models.DeliveryRecipient.collection;
  const numbers = createNumbers(models.DeliveryRecipient);
  const trimEvery = Math.max(1, Math.floor(mailboxMax / TRIM_SHARE));

  const storeAll = async (messages: readonly NamedMessage[]): Promise<Entry[][]> => {
    const counts = new Map<string, number>();
    for (const { recipient } of messages) counts.set(keyOf(recipient), (counts.get(keyOf(recipient)) ?? 0) + 1);
    const taken = await numbers.take(counts);
    const used = new Map<string, number>();
    const now = clock.now();
    const stored = messages.map((message) => {
      const key = keyOf(message.recipient);
      const { first, devices } = taken.get(key) as Taken;
      const offset = used.get(key) ?? 0;
      used.set(key, offset + 1);
      const addressees = devices.length === 0 ? [null] : devices;
      return addressees.map((device) => {
        const isSent = device !== null && isHere(key, device, message.namespace);
        return toEntry(message, { recipient: key, device, seq: first + offset, isSent, now });
      });
    });
    // First, so that none is missing should this node end in between. One without its message comes to nothing.
    const pushes = messages.flatMap(toPushes);
    await pushStore.add(pushes);
    await insert(stored.flat().map((entry) => toDocument(entry, now)));
    pushStore.announce(pushes);
    await Promise.all([...taken].map(([key, numbersOf]) => trimIfDue(key, numbersOf, counts.get(key) ?? 0)));
    return stored;
  };

  /** The driver takes a third less for one than for a list of one, which is what most calls come to. */
  const insert = async (documents: readonly ReturnType<typeof toDocument>[]): Promise<void> => {
    const [first] = documents;
    if (documents.length === 1 && first !== undefined) await collection.insertOne(first);
    else await collection.insertMany([...documents], { ordered: false });
  };

  const trimIfDue = async (recipient: string, { first, devices }: Taken, count: number): Promise<void> => {
    if (Math.floor((first + count - 1) / trimEvery) === Math.floor((first - 1) / trimEvery)) return;
    await Promise.all([...devices, null].map((device) => trim(recipient, device)));
  };

  /** Cuts a queue to its limit. */
  const trim = async (recipient: string, device: string | null): Promise<void> => {
    const queue = { recipient, device, isPending: true };
    const excess = (await collection.countDocuments(queue)) - mailboxMax;
    if (excess <= 0) return;
    const [last] = await collection
      .find(queue)
      .sort({ seq: 1 })
      .skip(excess - 1)
      .limit(1)
      .project({ seq: 1 })
      .toArray();
    if (last !== undefined) await lose({ ...queue, seq: { $lte: last['seq'] } }, 'overflow');
    if (device !== null) await markCut(recipient, device);
  };

  /** The device is told of a loss at its next connect. */
  const markCut = async (recipient: string, device: string): Promise<void> => {
    await recipients.updateOne({ _id: recipient as never }, { $addToSet: { cuts: device } });
  };

  /** Ends entries without delivery. @returns how many */
  const lose = async (filter: Record<string, unknown>, loss: Loss): Promise<number> => {
    const now = clock.now();
    const purgeAt = new Date(now + receiptTtlMs);
    const end = { isPending: false, state: 'expired', loss, at: new Date(now), purgeAt, keepsReceipt: true };
    const { modifiedCount } = await collection.updateMany({ ...filter, isPending: true }, { $set: end });
    return modifiedCount;
  };

  const endAll = async (entries: readonly Entry[]): Promise<boolean[]> => {
    const now = clock.now();
    const idsOf = (keepsReceipt: boolean) =>
      entries.filter((entry) => entry.keepsReceipt === keepsReceipt).map(({ id }) => new Types.ObjectId(id));
    const [kept, deleted] = [idsOf(true), idsOf(false)];
    const end = { isPending: false, state: 'acked', at: new Date(now), purgeAt: new Date(now + receiptTtlMs) };
    const covered = entries.filter(({ hasPush }) => hasPush).map(({ message }) => message);
    await Promise.all([
      covered.length > 0 && pushStore.remove(covered),
      kept.length > 0 && collection.updateMany({ _id: { $in: kept }, isPending: true }, { $set: end }),
      deleted.length > 0 && collection.deleteMany({ _id: { $in: deleted } }),
    ]);
    return entries.map(() => true);
  };
  const acknowledge = createGroup(endAll, GROUP_MAX);

  return {
    /** Stores one message for each of its devices. Resolves when the database has it. */
    store: createGroup(storeAll, GROUP_MAX),
    /** Takes an entry out of its device's queue. */
    acknowledge,
    trim,
    lose,
    markCut,

    /** What waits for a device on a namespace, in order. */
    async pending({ recipient, device, namespace, after, upTo, limit }: PendingQuery): Promise<Entry[]> {
      const seq = { $gt: after, ...(upTo === undefined ? {} : { $lte: upTo }) };
      const isInTime = { $not: { $lte: new Date(clock.now()) } };
      const queue = {
        recipient,
        device,
        isPending: true,
        seq,
        namespace: { $in: [namespace, '*'] },
        expireAt: isInTime,
      };
      const documents = await collection.find(queue).sort({ seq: 1 }).limit(limit).toArray();
      return documents.map((document) => fromDocument(document as unknown as StoredEntry));
    },

    /** Gives what was sent before any device was known to this one. @returns the numbers of it */
    async claim(recipient: string, device: string): Promise<number[]> {
      const unclaimed = { recipient, device: null, isPending: true };
      const found = await collection.find(unclaimed, { projection: { seq: 1 } }).toArray();
      if (found.length === 0) return [];
      await collection.updateMany({ ...unclaimed, _id: { $in: found.map(({ _id }) => _id) } }, { $set: { device } });
      return found.map(({ seq }) => seq as number);
    },

    /** Neither acknowledged nor lost. */
    async isPending({ id }: Entry): Promise<boolean> {
      const found = await collection.findOne(
        { _id: new Types.ObjectId(id), isPending: true },
        { projection: { _id: 1 } },
      );
      return found !== null;
    },

    /** A socket of its device has been offered it. */
    markSent: createGroup(async (entries: readonly Entry[]) => {
      const ids = entries.map(({ id }) => new Types.ObjectId(id));
      const isQueued = { _id: { $in: ids }, isPending: true, state: 'queued' };
      await collection.updateMany(isQueued, { $set: { state: 'sent', at: new Date(clock.now()) } });
      return entries;
    }, GROUP_MAX),

    /** It was shown by push; devices may still acknowledge it. */
    async markPushed(message: string): Promise<void> {
      const at = new Date(clock.now());
      await collection.updateMany({ message, isPending: true }, { $set: { state: 'pushed', at } });
    },

    /** Ends what has outlived its own time; the devices are told at their next connect. */
    async expire(): Promise<void> {
      const isDue = { isPending: true, expireAt: { $lte: new Date(clock.now()) } };
      const due = await collection.find(isDue).project({ recipient: 1, device: 1 }).limit(GROUP_MAX).toArray();
      if (due.length === 0) return;
      await lose({ _id: { $in: due.map(({ _id }) => _id) } }, 'ttl');
      for (const { recipient, device } of due) if (device !== null) await markCut(recipient, device);
    },

    /** What became of a message; `undefined` for one that is unknown or too long ago. */
    async statusOf(message: string): Promise<MessageStatus | undefined> {
      const entries = await models.DeliveryEntry.find({ message }, 'recipient device body state at createdAt').lean();
      const [first] = entries;
      if (first === undefined) return undefined;
      const { site, userId } = recipientOf(first.recipient);
      const [event] = JSON.parse(first.body) as [string];
      const state = STATES.find((candidate) => entries.some((entry) => entry.state === candidate)) ?? 'queued';
      const devices = entries.flatMap((entry) => {
        if (typeof entry.device !== 'string') return [];
        return [{ deviceId: entry.device, state: entry.state, at: entry.at.toISOString() }];
      });
      return { id: message, site, userId, event, state, createdAt: first.createdAt.toISOString(), devices };
    },
  };
}

/** The states of a message, the one that says most first. */
export const STATES = ['acked', 'pushed', 'sent', 'queued', 'expired'] as const;

/** What became of a message. */
export interface MessageStatus {
  readonly id: string;
  readonly site: string;
  readonly userId: string;
  readonly event: string;
  /** The furthest that any device got. */
  readonly state: (typeof STATES)[number];
  readonly createdAt: string;
  readonly devices: { deviceId: string; state: (typeof STATES)[number]; at: string }[];
}

/** Which waiting entries: those after a number, the lowest first. */
export interface PendingQuery {
  readonly recipient: string;
  readonly device: string;
  readonly namespace: string;
  readonly after: number;
  readonly upTo?: number;
  readonly limit: number;
}

/**
 * Takes over the mailboxes of earlier versions, which stored one entry for each device of a recipient (`delivery.entries`,
 * `delivery.recipients`). What waits there is appended to the log in its order, and each device gets what waited for it. A
 * message counts as stored before its old entries are deleted, and its id is unique in the log; so every step can be made
 * again, by several nodes at once. Nodes of the earlier version may still be running: what they store is taken over as long
 * as there is any.
 */
import type { Collection } from 'mongoose';
import type { Loss } from '#shared/models/delivery.js';
import type { Models } from '#shared/models/index.js';
import type { Clock } from '../../platform/clock.js';
import { isDuplicateKey } from '../../platform/mongo/duplicate-key.js';
import { type Log, type StoredEntry, toDocument } from './log.js';
import { type Mailboxes, type StoredDevice, toStoredDevice } from './mailboxes.js';

/** Messages of one mailbox that are taken over at once, and mailboxes that are read at once. */
const CHUNK = 500;
/** A mailbox that an earlier version works on was written within this time. */
const IN_USE_MS = 120_000;

interface OldEntry {
  readonly _id: unknown;
  readonly message: string;
  readonly recipient: string;
  readonly device: string | null;
  readonly seq: number;
  readonly namespace: string;
  readonly body: string;
  readonly isPending: boolean;
  readonly state: string;
  readonly loss?: Loss;
  readonly at: Date;
  readonly createdAt: Date;
  readonly expireAt?: Date;
  readonly isResync?: boolean;
  readonly keepsReceipt?: boolean;
  readonly hasPush?: boolean;
}

interface OldRecipient {
  readonly _id: string;
  readonly seq: number;
  readonly devices?: readonly { id: string; seenAt: Date }[];
  readonly cuts?: readonly string[];
}

interface Dependencies {
  models: Models;
  log: Log;
  mailboxes: Mailboxes;
  clock: Clock;
  receiptTtlMs: number;
}

/** @returns takes over everything that is there */
export function createMigration({ models, log, mailboxes, clock, receiptTtlMs }: Dependencies) {
  const { db } = models.DeliveryEntry;
  const entries: Collection = db.collection('delivery.entries');
  const recipients: Collection = db.collection('delivery.recipients');

  const takeOver = async (recipient: string): Promise<void> => {
    const old = (await recipients.findOne({ _id: recipient as never })) as OldRecipient | null;
    const base = await log.readLast(recipient);
    for (const { id, seenAt } of old?.devices ?? [])
      await addDevice(recipient, toStoredDevice(id, base, seenAt.getTime(), []));
    for (const deviceId of old?.cuts ?? []) await mailboxes.cut({ recipient, deviceId });
    const known = (await mailboxes.get(recipient)).devices.map(({ id }) => id);
    const messages = await messagesOf(recipient);
    for (let start = 0; start < messages.length; start += CHUNK) {
      await append(recipient, await entriesOf(messages.slice(start, start + CHUNK)), known);
    }
  };

  const addDevice = async (recipient: string, device: StoredDevice): Promise<void> => {
    const own = { _id: recipient as never, 'devices.id': device.id };
    const { matchedCount } = await mailboxes.collection.updateOne(own, { $max: { 'devices.$.seenAt': device.seenAt } });
    if (matchedCount > 0) return;
    const unknown = { _id: recipient as never, 'devices.id': { $ne: device.id } };
    const push = { $push: { devices: device } } as never;
    await mailboxes.collection.updateOne(unknown, push, { upsert: true }).catch((error: unknown) => {
      // Another node has added it.
      if (!isDuplicateKey(error)) throw error;
    });
  };

  /** The ids of the messages of which something is stored, in the order in which they were sent. */
  const messagesOf = async (recipient: string): Promise<string[]> => {
    const filters = [{ isPending: true }, { keepsReceipt: true }];
    const read = filters.map((filter) =>
      entries.find({ recipient, ...filter }, { projection: { _id: 0, message: 1, seq: 1 } }).toArray(),
    );
    const numbers = new Map((await Promise.all(read)).flat().map(({ message, seq }) => [String(message), Number(seq)]));
    return [...numbers].sort(([, one], [, other]) => one - other).map(([message]) => message);
  };

  /** The entries of messages, by message. */
  const entriesOf = async (messages: readonly string[]): Promise<OldEntry[][]> => {
    const found = await entries.find({ message: { $in: [...messages] } }).toArray();
    const byMessage = new Map(messages.map((message): [string, OldEntry[]] => [message, []]));
    for (const entry of found as unknown as OldEntry[]) byMessage.get(entry.message)?.push(entry);
    return [...byMessage.values()].filter((own) => own.length > 0);
  };

  /** Appends messages to the log, each once, and deletes their old entries. */
  const append = async (
    recipient: string,
    messages: readonly OldEntry[][],
    known: readonly string[],
  ): Promise<void> => {
    for (;;) {
      const ids = messages.flatMap(([first]) => first?.message ?? []);
      const stored = await log.collection.find({ _id: { $in: ids as never[] } }, { projection: { _id: 1 } }).toArray();
      const isStored = new Set(stored.map(({ _id }) => String(_id)));
      const missing = messages.filter(([first]) => first !== undefined && !isStored.has(first.message));
      // Of a message that was just being stored, some devices may have been missed.
      const late = messages.filter(([first]) => first !== undefined && isStored.has(first.message)).map(toLate);
      if (late.length > 0) await log.collection.bulkWrite(late as never, { ordered: false });
      if (missing.length === 0) break;
      const last = await log.readLast(recipient);
      const documents = missing.map((own, index) => toLogged(own, last + 1 + index, { known, receiptTtlMs }));
      await log.collection.insertMany(documents as never[], { ordered: true }).catch((error: unknown) => {
        // Another node takes over the same mailbox, or stores something in it.
        if (!isDuplicateKey(error)) throw error;
      });
    }
    const ids = messages.flat().map(({ _id }) => _id);
    await entries.deleteMany({ _id: { $in: ids as never[] } });
  };

  const takeOverRecipients = async (): Promise<void> => {
    for (let after: string | undefined = ''; after !== undefined; ) {
      const found: object[] = await recipients
        .find({ _id: { $gt: after as never } })
        .sort({ _id: 1 })
        .limit(CHUNK)
        .toArray();
      for (const { _id, seq, devices = [] } of found as unknown as OldRecipient[]) {
        await takeOver(_id);
        const inUse = clock.now() - IN_USE_MS;
        // A node of the earlier version goes on counting in it.
        if (devices.some(({ seenAt }) => seenAt.getTime() > inUse)) continue;
        await recipients.deleteOne({ _id: _id as never, seq } as never);
      }
      after = found.length < CHUNK ? undefined : String((found.at(-1) as OldRecipient | undefined)?._id);
    }
  };

  return async (): Promise<void> => {
    await takeOverRecipients();
    for (let entry = await entries.findOne({}); entry !== null; entry = await entries.findOne({})) {
      await takeOver(String(entry['recipient']));
      await entries.deleteOne({ _id: entry._id });
    }
  };
}

/** The devices that a message waits for were not noted as devices that it was never meant for. */
const toLate = (own: readonly OldEntry[]) => ({
  updateOne: {
    filter: { _id: own[0]?.message },
    update: { $pull: { ends: { isForeign: true, device: { $in: own.flatMap(({ device }) => device ?? []) } } } },
  },
});

/** A message with its old entries, as the log has it. */
function toLogged(
  own: readonly OldEntry[],
  position: number,
  { known, receiptTtlMs }: { known: readonly string[]; receiptTtlMs: number },
): StoredEntry & { ends: object[] } {
  const [first] = own as [OldEntry];
  const isForAll = own.some(({ device, isPending }) => device === null && isPending);
  const pending = new Set(own.flatMap(({ device, isPending }) => (isPending ? device : [])));
  const ended = own.flatMap(({ device, isPending, at, loss }) =>
    isPending || device === null ? [] : [{ device, at, ...(loss && { loss }) }],
  );
  const isTold = new Set(ended.map(({ device }) => device));
  const foreign = isForAll ? [] : known.filter((device) => !pending.has(device) && !isTold.has(device));
  const entry = toDocument(
    {
      ...{ id: first.message, recipient: first.recipient, position, namespace: first.namespace, body: first.body },
      ...{ createdAt: first.createdAt.getTime(), expireAt: first.expireAt?.getTime() ?? null },
      ...{ isResync: first.isResync === true, hasPush: first.hasPush === true },
      keepsReceipt: own.some(({ keepsReceipt }) => keepsReceipt === true),
    },
    receiptTtlMs,
  );
  const isPushed = own.find(({ state }) => state === 'pushed');
  return {
    ...entry,
    ...(isPushed && { pushedAt: isPushed.at }),
    ends: [...ended, ...foreign.map((device) => ({ device, at: first.createdAt, isForeign: true }))],
  };
}

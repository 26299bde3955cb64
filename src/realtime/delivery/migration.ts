/**
 * Moves the mailboxes of earlier versions, which stored one entry for each device, into the log. Nodes of the earlier
 * version may still be running, and several nodes of this one migrate at once, so every step can be repeated by any node:
 *
 * - A message is in the log before its old entries are deleted, and its id is unique there.
 * - Nodes insert the messages of a recipient in the same order. The first one that is missing decides: if another node has
 *   inserted it, or taken its position, nothing behind it is stored, and the rest is read and tried again.
 * - Entries are read before the devices that they were stored for, which an earlier version writes first.
 *
 * There is no lock, so nothing has to expire when a node dies.
 */
import type { Models } from '#shared/models/index.js';
import type { Clock } from '../../platform/clock.js';
import { isDuplicateKey } from '../../platform/mongo/duplicate-key.js';
import { createLegacyMailboxes, type LegacyEntry, type LegacyRecipient } from './legacy-mailboxes.js';
import { type Log, type LogEnd, type StoredEntry, toDocument } from './log.js';
import { type Mailboxes, toStoredDevice } from './mailboxes.js';

/** Messages of one recipient that are moved at once, and recipients that are read at once. */
const CHUNK = 500;
/** A recipient with a device that was seen within this time is in use by a node of an earlier version. */
const IN_USE_MS = 120_000;
/** A message of this age may have been sent while a device that the earlier version does not know was connected. */
const RECENT_MS = 120_000;

interface Dependencies {
  models: Models;
  log: Log;
  mailboxes: Mailboxes;
  clock: Clock;
  receiptTtlMs: number;
  /** Entries up to this position were appended to the log of a recipient. */
  onAppended(recipient: string, end: LogEnd): void;
}

/** @returns moves everything that is there; to be repeated while nodes of an earlier version may run */
export function createMigration({ models, log, mailboxes, clock, receiptTtlMs, onAppended }: Dependencies) {
  const legacy = createLegacyMailboxes(models.DeliveryEntry.db);

  /** @returns what was stored of the recipient before its entries were read */
  const migrateRecipient = async (recipient: string): Promise<LegacyRecipient | null> => {
    const stored = await legacy.recipient(recipient);
    const messages = await legacy.messagesOf(recipient);
    for (let start = 0; start < messages.length; start += CHUNK) {
      const chunk = await legacy.entriesOf(messages.slice(start, start + CHUNK));
      await append(recipient, chunk, await migrateDevices(recipient));
      await legacy.deleteEntries(chunk.flat());
    }
    await migrateDevices(recipient);
    await legacy.deleteEnded(recipient);
    return stored;
  };

  const migrateDevices = async (recipient: string): Promise<Devices> => {
    const stored = await legacy.recipient(recipient);
    for (const { id, seenAt } of stored?.devices ?? []) await addDevice(recipient, id, seenAt);
    for (const deviceId of stored?.cuts ?? []) {
      await mailboxes.cut({ recipient, deviceId });
      if (stored !== null) await legacy.removeCut(stored, deviceId);
    }
    const { devices } = await mailboxes.get(recipient);
    return { known: devices.map(({ id }) => id), legacy: (stored?.devices ?? []).map(({ id }) => id) };
  };

  /** Adds a device at the end of the log, or at its beginning if it is the first; everything that waits is for that one. */
  const addDevice = async (recipient: string, id: string, seenAt: Date): Promise<void> => {
    const { collection } = mailboxes;
    const own = { _id: recipient as never, 'devices.id': id };
    const { matchedCount } = await collection.updateOne(own, { $max: { 'devices.$.seenAt': seenAt } });
    if (matchedCount > 0) return;
    const last = await log.readLast(recipient);
    const { devices, start } = await mailboxes.get(recipient);
    const isFirst = devices.length === 0;
    const filter = {
      _id: recipient as never,
      'devices.id': { $ne: id },
      ...(isFirst && { 'devices.0': { $exists: false } }),
    };
    const device = toStoredDevice(id, isFirst ? start : last, seenAt.getTime(), []);
    const update = { $push: { devices: device } } as never;
    const isAdded = await collection.updateOne(filter, update, { upsert: isFirst }).then(
      ({ matchedCount: matched, upsertedCount }) => matched + upsertedCount > 0,
      (error: unknown) => {
        if (!isDuplicateKey(error)) throw error;
        return false;
      },
    );
    // Another node has added it, or another first device.
    if (!isAdded) await addDevice(recipient, id, seenAt);
  };

  /** Appends messages to the log, each once. */
  const append = async (recipient: string, messages: readonly LegacyEntry[][], devices: Devices): Promise<void> => {
    for (;;) {
      const ids = messages.map(([first]) => first?.message);
      const found = await log.collection.find({ _id: { $in: ids as never[] } }, { projection: { _id: 1 } }).toArray();
      const isStored = new Set(found.map(({ _id }) => String(_id)));
      const missing = messages.filter(([first]) => first !== undefined && !isStored.has(first.message));
      await addLateDevices(
        recipient,
        messages.filter((own) => !missing.includes(own)),
      );
      if (missing.length === 0) return;
      const end = await log.readEnd(recipient);
      const documents = missing.map((own, index) => toLogged(own, { position: end.position + index + 1, devices }));
      // Times rise with positions: much else relies on it.
      let createdAt = end.createdAt;
      for (const document of documents) {
        createdAt = Math.max(createdAt, document.createdAt.getTime());
        document.createdAt = new Date(createdAt);
      }
      await log.collection.insertMany(documents as never[], { ordered: true }).catch((error: unknown) => {
        // Another node migrates the same recipient, or stores something new for it.
        if (!isDuplicateKey(error)) throw error;
      });
      onAppended(recipient, await log.readEnd(recipient));
    }
  };

  /**
   * A message that was just being stored by an earlier version may have been moved without some of its devices. They are
   * told that they may have missed something, because they may have acknowledged what comes after it.
   */
  const addLateDevices = async (recipient: string, messages: readonly LegacyEntry[][]): Promise<void> => {
    const addressed = messages.map((own) => ({
      id: own[0]?.message,
      devices: own.flatMap(({ device }) => device ?? []),
    }));
    const excluded = addressed.map(({ id, devices }) => ({
      ...{ _id: id },
      ends: { $elemMatch: { isForeign: true, device: { $in: devices } } },
    }));
    if (excluded.length === 0) return;
    const late = await log.collection.find({ $or: excluded } as never, { projection: { ends: 1 } }).toArray();
    for (const { _id, ends } of late) {
      const wanted = addressed.find(({ id }) => id === String(_id))?.devices ?? [];
      const isLate = ({ device, isForeign }: End): boolean => isForeign === true && wanted.includes(device);
      const lateDevices = (ends as End[]).filter(isLate).map(({ device }) => device);
      for (const deviceId of lateDevices) await mailboxes.cut({ recipient, deviceId });
      await log.collection.updateOne({ _id }, {
        $pull: { ends: { isForeign: true, device: { $in: lateDevices } } },
      } as never);
    }
  };

  /** A message with its old entries, as the log has it. */
  const toLogged = (own: readonly LegacyEntry[], { position, devices }: Place): LoggedMessage => {
    const [first] = own as [LegacyEntry];
    const now = clock.now();
    const isForAll = own.some(({ device, isPending }) => device === null && isPending);
    const addressed = new Set(own.flatMap(({ device }) => device ?? []));
    const ended = own.flatMap(({ device, isPending, at, loss }) =>
      isPending || device === null ? [] : [{ device, at, ...(loss && { loss }) }],
    );
    const isRecent = first.createdAt.getTime() > now - RECENT_MS;
    const others = isRecent ? devices.legacy : devices.known;
    const foreign = isForAll ? [] : others.filter((device) => !addressed.has(device));
    const document = toDocument(
      {
        ...{ id: first.message, recipient: first.recipient, position, namespace: first.namespace, body: first.body },
        ...{ createdAt: first.createdAt.getTime() },
        expireAt: first.expireAt?.getTime() ?? null,
        ...{ isResync: first.isResync === true, hasPush: first.hasPush === true },
        keepsReceipt: own.some(({ keepsReceipt }) => keepsReceipt === true),
      },
      { receiptTtlMs, storedAt: now },
    );
    const pushed = own.find(({ state }) => state === 'pushed');
    return {
      ...document,
      createdAt: first.createdAt,
      ...(pushed && { pushedAt: pushed.at }),
      ends: [...ended, ...foreign.map((device) => ({ device, at: first.createdAt, isForeign: true }))],
    };
  };

  const migrateRecipients = async (): Promise<void> => {
    for (let after: string | undefined = ''; after !== undefined; ) {
      const ids: string[] = await legacy.recipientsAfter(after, CHUNK);
      for (const id of ids) {
        const stored = await migrateRecipient(id);
        const inUse = clock.now() - IN_USE_MS;
        const isInUse = stored?.devices?.some(({ seenAt }) => seenAt.getTime() > inUse) === true;
        if (stored !== null && !isInUse) await legacy.deleteRecipient(stored);
      }
      after = ids.length < CHUNK ? undefined : ids.at(-1);
    }
  };

  return async function migrate(): Promise<void> {
    await migrateRecipients();
    for (let id = await legacy.anyRecipient(); id !== undefined; id = await legacy.anyRecipient()) {
      await migrateRecipient(id);
    }
  };
}

/** The devices of a recipient. */
interface Devices {
  /** Ids of those that this version knows. */
  readonly known: readonly string[];
  /** Ids of those that the earlier version knows. */
  readonly legacy: readonly string[];
}

/** Where a message is appended. */
interface Place {
  readonly position: number;
  readonly devices: Devices;
}

type LoggedMessage = Omit<StoredEntry, 'createdAt'> & { createdAt: Date; ends: object[] };

interface End {
  readonly device: string;
  readonly isForeign?: boolean;
}

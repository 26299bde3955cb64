import { isDeepStrictEqual } from 'node:util';
import type { Collection, Model, mongo } from 'mongoose';
import type { DeliveryRecipient, ExpiryReason } from '#shared/models/delivery.js';
import { noteFaults } from '../../../models/index.js';
import { type KeyedRecipient, parseRecipient } from '../message.js';
import { type AckedByNamespace, ackedThrough } from './acked.js';
import { EMPTY_MAILBOX, type Mailbox, type StoredDevice, type StoredExpiration } from './mailbox.js';
import { areSoundDevices, isSoundMailbox, toSoundMailbox } from './sound-mailbox.js';

/** Devices with a resync flag. Beyond that every device that is not known counts as flagged. */
const RESYNC_FLAGS_MAX = 200;
const LAST_FLAG = `resyncFlags.${RESYNC_FLAGS_MAX - 1}`;
/** Expirations that diagnostics can show. */
const EXPIRATIONS_MAX = 50;
/** Positions below the last acknowledged one that an expiration lists. */
const EXPIRATION_HOLES_MAX = 100;

/** A device of a recipient. */
export interface Device {
  readonly recipient: KeyedRecipient;
  readonly deviceId: string;
}

/** A change to a stored device. */
export interface DeviceChange {
  readonly acked: AckedByNamespace;
  readonly start?: number;
  readonly sent?: Readonly<Record<string, number>>;
  readonly expiration?: StoredExpiration;
  /** The device loses messages by it, and must be notified. Stored with the loss, so that no crash comes between. */
  readonly needsResync?: boolean;
}

/** The mailboxes in the database: one document for each recipient who ever had a device. */
export class Mailboxes {
  readonly collection: Collection;
  readonly #model: object;

  constructor(model: Model<DeliveryRecipient>) {
    this.#model = model;
    this.collection = model.collection;
  }

  /** By key. A recipient who never had a device is missing. */
  async find(recipients: readonly string[]): Promise<Map<string, Mailbox>> {
    const documents = await this.collection.find({ _id: { $in: [...new Set(recipients)] as never[] } }).toArray();
    const mailboxes = new Map<string, Mailbox>();
    for (const document of documents) {
      const isSound = isSoundMailbox(document);
      mailboxes.set(String(document._id), isSound ? { ...EMPTY_MAILBOX, ...document } : await this.#repair(document));
    }
    return mailboxes;
  }

  /**
   * Makes a stored mailbox what the gateway writes: updates of what has a wrong type fail, for this recipient and for all others
   * that are written together.
   */
  async #repair(stored: mongo.Document): Promise<Mailbox> {
    const sound = toSoundMailbox(stored, new Date());
    const fields = Object.keys(sound) as (keyof Mailbox)[];
    noteFaults(
      this.#model,
      stored,
      fields.filter((field) => field in stored && !isDeepStrictEqual(stored[field], sound[field])),
    );
    const unchanged = fields.map((field) => ({
      [field]: field in stored ? { $eq: stored[field] } : { $exists: false },
    }));
    const isOfThis = { _id: stored['_id'], $and: unchanged };
    const { matchedCount } = await this.collection.updateOne(isOfThis as never, { $set: sound } as never);
    return matchedCount > 0 ? sound : this.get(String(stored['_id']));
  }

  /** Mailboxes with a device that was seen before a time, and their devices; at most so many. */
  async findSeenBefore(
    time: number,
    limit: number,
  ): Promise<{ recipient: KeyedRecipient; devices: readonly StoredDevice[] }[]> {
    const found = this.collection.find({ 'devices.seenAt': { $lt: new Date(time) } }, { projection: { devices: 1 } });
    const mailboxes: { recipient: KeyedRecipient; devices: readonly StoredDevice[] }[] = [];
    for await (const { _id, devices } of found) {
      const recipient = parseRecipient(String(_id));
      if (recipient === undefined) noteFaults(this.#model, { _id }, ['_id']);
      else
        mailboxes.push({
          recipient,
          devices: areSoundDevices(devices) ? devices : (await this.get(recipient.key)).devices,
        });
      if (mailboxes.length === limit) break;
    }
    return mailboxes;
  }

  /** The mailbox of one recipient, empty if there is none. */
  async get(recipient: string): Promise<Mailbox> {
    return (await this.find([recipient])).get(recipient) ?? EMPTY_MAILBOX;
  }

  /** Flags a device that lost messages, so that it gets `_resync` when it connects next. */
  async flagResync(device: Device): Promise<void> {
    const { recipient, deviceId } = device;
    const { filter, update } = toFlagUpdate(recipient.key, deviceId).updateOne;
    const { matchedCount } = await this.collection.updateOne(filter as never, update as never);
    if (matchedCount > 0) return;
    await this.updateWithLoss(deviceId, { _id: recipient.key, resyncFlags: { $ne: deviceId } }, {});
  }

  /**
   * Applies an update by which a device loses messages, and flags it in the same write: no crash and no connect comes between,
   * and of several nodes that do it at once, one does both.
   */
  async updateWithLoss(deviceId: string, filter: object, update: object): Promise<void> {
    const hasRoom = { ...filter, [LAST_FLAG]: { $exists: false } };
    const flagged = { ...update, $addToSet: { resyncFlags: deviceId } };
    const { matchedCount } = await this.collection.updateOne(hasRoom, flagged as never);
    if (matchedCount > 0) return;
    await this.collection.updateOne(filter, { ...update, $set: { flagsUnknownDevices: true } } as never);
  }

  /**
   * Clears the resync flag of a device whose client was notified. To be called afterwards: a node that ends in between repeats the
   * notice.
   * @param revision of the device when it was read: a loss since then keeps the flag
   * @returns whether this call cleared it
   */
  async clearResync({ recipient, deviceId }: Device, revision: number): Promise<boolean> {
    const unchanged = { $elemMatch: { id: deviceId, revision } };
    const flagged = { _id: recipient.key as never, resyncFlags: deviceId as never, devices: unchanged as never };
    const update = { $pull: { resyncFlags: { $in: [deviceId, null] } } };
    const { modifiedCount } = await this.collection.updateOne(flagged, update as never);
    return modifiedCount > 0;
  }

  /** The write that changes a device unless another write was faster, for a bulk write. */
  toUpdate({ recipient, deviceId }: Device, revision: number, change: DeviceChange) {
    const { acked, start, sent, expiration, needsResync } = change;
    return {
      updateOne: {
        filter: { _id: recipient.key as never, devices: { $elemMatch: { id: deviceId, revision } } },
        update: {
          $set: {
            'devices.$.acked': acked,
            ...(start !== undefined && { 'devices.$.start': start }),
            ...(sent !== undefined && { 'devices.$.sent': sent }),
          },
          $inc: { 'devices.$.revision': 1 },
          ...(expiration !== undefined && toExpirationUpdate(expiration)),
          // Known devices are few, so they do not count against the limit of flags.
          ...(needsResync === true && { $addToSet: { resyncFlags: deviceId } }),
        },
      },
    };
  }

  /**
   * Changes a device depending on what is stored of it.
   * @param toChange `undefined`: nothing is to be changed
   * @returns what is stored now; `undefined` if there is no such device
   */
  async change(
    device: Device,
    toChange: (stored: StoredDevice) => DeviceChange | undefined,
  ): Promise<StoredDevice | undefined> {
    for (;;) {
      const { devices } = await this.get(device.recipient.key);
      const stored = devices.find(({ id }) => id === device.deviceId);
      const change = stored && toChange(stored);
      if (stored === undefined || change === undefined) return stored;
      const { filter, update } = this.toUpdate(device, stored.revision, change).updateOne;
      const { matchedCount } = await this.collection.updateOne(filter, update as never);
      if (matchedCount > 0) return { ...stored, ...change, revision: stored.revision + 1 };
    }
  }
}

/**
 * The write that flags a known device, or the first one if none is known (`null`), for a bulk write. The latter is a duplicate
 * key if there is a device by now.
 */
export const toFlagUpdate = (recipient: string, deviceId: string | null) => ({
  updateOne:
    deviceId === null
      ? {
          filter: { _id: recipient, 'devices.0': { $exists: false } },
          update: { $addToSet: { resyncFlags: null } },
          upsert: true,
        }
      : {
          filter: { _id: recipient, 'devices.id': deviceId },
          update: { $addToSet: { resyncFlags: deviceId }, $inc: { 'devices.$.revision': 1 } },
        },
});

/** The part of an update that notes an expiration. */
export const toExpirationUpdate = (expiration: StoredExpiration) => ({
  $push: { expirations: { $each: [expiration], $slice: -EXPIRATIONS_MAX } },
});

/** A device as it is stored at first. */
export const toStoredDevice = (id: string, start: number, now: number, nodes: readonly string[]): StoredDevice => ({
  id,
  start,
  acked: {},
  revision: 0,
  sent: {},
  seenAt: new Date(now),
  connectedAt: new Date(now),
  nodes,
});

/** Everything up to a position that a device has not acknowledged expires. */
export function toExpiration(
  { id, start, acked }: Pick<StoredDevice, 'start' | 'acked'> & { id: string | null },
  upTo: number,
  { reason, now }: { reason: ExpiryReason; now: number },
): StoredExpiration {
  const kept = Object.entries(acked).map(([namespace, own]) => [
    namespace,
    { upTo: own.upTo, holes: own.holes.slice(-EXPIRATION_HOLES_MAX) },
  ]);
  return { device: id, reason, start, acked: Object.fromEntries(kept), upTo, at: new Date(now) };
}

/** The state of a device for which everything up to a position counts as acknowledged. */
export const withAckedThrough = ({ acked, start }: Pick<StoredDevice, 'acked' | 'start'>, position: number) => ({
  acked: Object.fromEntries(Object.entries(acked).map(([namespace, own]) => [namespace, ackedThrough(own, position)])),
  start: Math.max(start, position),
});

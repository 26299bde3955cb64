import type { Model } from 'mongoose';
import type { DeliveryRecipient, Loss } from '#shared/models/delivery.js';
import { type AckedByNamespace, raised } from './acked.js';
import type { Device } from './outbox.js';

/** Devices that are remembered because they lost something; beyond that every device that is not known counts as one. */
const CUTS_MAX = 200;
const LAST_CUT = `cuts.${CUTS_MAX - 1}`;
/** Losses that diagnostics can name. */
const LOSSES_MAX = 50;
/** Of a loss, this many positions are kept that were still open although later ones were acknowledged. */
const LOSS_HOLES_MAX = 100;

/** A device of a mailbox, as it is stored. */
export interface StoredDevice {
  readonly id: string;
  /** Messages up to this position were never meant for it. */
  readonly start: number;
  readonly acked: AckedByNamespace;
  readonly revision: number;
  /** By namespace: the highest position that was offered to a socket. */
  readonly sent: Readonly<Record<string, number>>;
  readonly seenAt: Date;
  readonly connectedAt: Date;
  readonly nodes?: readonly string[];
}

/** Messages that a device lost at once: all up to `upTo` that `acked` does not cover. */
export interface StoredLoss {
  /** `null`: no device had come yet. */
  readonly device: string | null;
  readonly reason: Loss;
  readonly start: number;
  readonly acked: AckedByNamespace;
  readonly upTo: number;
  readonly at: Date;
}

/** What is known of a recipient beside the log. */
export interface Mailbox {
  /** Everything up to here was some device's business; what is above waits for the first device if there is none. */
  readonly start: number;
  readonly devices: readonly StoredDevice[];
  readonly cuts: readonly string[];
  readonly hasForgotten: boolean;
  readonly losses: readonly StoredLoss[];
}

const NOBODY: Mailbox = { start: 0, devices: [], cuts: [], hasForgotten: false, losses: [] };

/** How a device of a mailbox is changed. */
interface Change {
  readonly acked: AckedByNamespace;
  readonly start?: number;
  readonly sent?: Readonly<Record<string, number>>;
  readonly loss?: StoredLoss;
}

/** The mailboxes in the database: one document for each recipient who ever had a device. */
export type Mailboxes = ReturnType<typeof createMailboxes>;

export function createMailboxes(model: Model<DeliveryRecipient>) {
  const { collection } = model;
  const idOf = (recipient: string) => ({ _id: recipient as never });

  const find = async (recipients: readonly string[]): Promise<Map<string, Mailbox>> => {
    const documents = await collection.find({ _id: { $in: [...new Set(recipients)] as never[] } }).toArray();
    return new Map(documents.map((document) => [String(document._id), { ...NOBODY, ...(document as object) }]));
  };

  return {
    collection,
    /** That of a recipient who never had a device. */
    nobody: NOBODY,
    find,
    /** The mailbox of one recipient; without any device if there is none. */
    get: async (recipient: string): Promise<Mailbox> => (await find([recipient])).get(recipient) ?? NOBODY,

    /** Marks a device that lost messages, so that it is told at its next connect. */
    async cut({ recipient, deviceId }: Device): Promise<void> {
      const unmarked = { ...idOf(recipient), cuts: { $ne: deviceId as never } };
      const hasRoom = { ...unmarked, [LAST_CUT]: { $exists: false } };
      const { matchedCount } = await collection.updateOne(hasRoom, { $push: { cuts: deviceId } } as never);
      if (matchedCount === 0) await collection.updateOne(unmarked, { $set: { hasForgotten: true } });
    },

    /** Clears the mark of a device. @returns whether it was this call that cleared it */
    async takeCut({ recipient, deviceId }: Device): Promise<boolean> {
      const marked = { ...idOf(recipient), cuts: deviceId as never };
      const { modifiedCount } = await collection.updateOne(marked, { $pull: { cuts: deviceId } } as never);
      return modifiedCount > 0;
    },

    /** The write that changes a device unless another was faster, for a bulk write. */
    toChange: ({ recipient, deviceId }: Device, revision: number, { acked, start, sent, loss }: Change) => ({
      updateOne: {
        filter: { ...idOf(recipient), devices: { $elemMatch: { id: deviceId, revision } } },
        update: {
          $set: {
            'devices.$.acked': acked,
            ...(start !== undefined && { 'devices.$.start': start }),
            ...(sent !== undefined && { 'devices.$.sent': sent }),
          },
          $inc: { 'devices.$.revision': 1 },
          ...(loss !== undefined && withLoss(loss)),
        },
      },
    }),

    /**
     * Changes a device from what is stored of it.
     * @param change `undefined`: nothing is to be changed
     * @returns what is stored now; `undefined` if there is no such device
     */
    async change(
      device: Device,
      change: (stored: StoredDevice) => Change | undefined,
    ): Promise<StoredDevice | undefined> {
      for (;;) {
        const { devices } = await this.get(device.recipient);
        const stored = devices.find(({ id }) => id === device.deviceId);
        const changed = stored && change(stored);
        if (stored === undefined || changed === undefined) return stored;
        const { filter, update } = this.toChange(device, stored.revision, changed).updateOne;
        const { matchedCount } = await collection.updateOne(filter, update as never);
        if (matchedCount > 0) return { ...stored, ...changed, revision: stored.revision + 1 };
      }
    },
  };
}

/** The part of an update that notes a loss. */
export const withLoss = (loss: StoredLoss) => ({ $push: { losses: { $each: [loss], $slice: -LOSSES_MAX } } });

/** A device as it is stored at first. */
export const toStoredDevice = (id: string, start: number, now: number, nodes: readonly string[]): StoredDevice => ({
  ...{ id, start, acked: {}, revision: 0, sent: {} },
  ...{ seenAt: new Date(now), connectedAt: new Date(now), nodes },
});

/** A loss of everything up to a position, as it is stored. */
export function toLoss(
  { id, start, acked }: Pick<StoredDevice, 'start' | 'acked'> & { id: string | null },
  upTo: number,
  { reason, now }: { reason: Loss; now: number },
): StoredLoss {
  const kept = Object.entries(acked).map(([namespace, { upTo: own, holes }]) => [
    namespace,
    { upTo: own, holes: holes.slice(-LOSS_HOLES_MAX) },
  ]);
  return { device: id, reason, start, acked: Object.fromEntries(kept), upTo, at: new Date(now) };
}

/** The state of a device that has nothing to do any more with what is stored up to a position. */
export const withoutPending = ({ acked, start }: Pick<StoredDevice, 'acked' | 'start'>, upTo: number) => ({
  acked: Object.fromEntries(Object.entries(acked).map(([namespace, own]) => [namespace, raised(own, upTo)])),
  start: Math.max(start, upTo),
});

import type { Model } from 'mongoose';
import type { DeliveryRecipient } from '#shared/models/delivery.js';
import type { Clock } from '../../platform/clock.js';
import { createGroup } from '../../platform/gather.js';
import type { Mailbox } from './mailbox.js';
import type { Device } from './outbox.js';

/** Devices that one database call registers or refreshes. */
const GROUP_MAX = 1000;
/** Mailboxes that one pass looks at for devices which have not come back. */
const PASS_MAX = 100;

/** Devices of one user. Another one is not listed until one of them has been given up, so that ids made up without end cost nothing. */
const DEVICES_MAX = 100;
const LAST_PLACE = `devices.${DEVICES_MAX - 1}`;

/** What a device finds when it connects. */
export interface Registered {
  /** The highest number given so far. */
  readonly last: number;
  /** It lost messages and has not been told. */
  readonly isCut: boolean;
  /** It is the only device there is: what was sent before any was known is for it. */
  readonly isOnly: boolean;
}

/** Which devices a mailbox keeps queues for. */
export type Devices = ReturnType<typeof createDevices>;

/** @param ttlMs how long the queue of a device that is gone is kept; 0: for ever */
export function createDevices(options: {
  model: Model<DeliveryRecipient>;
  mailbox: Mailbox;
  clock: Clock;
  ttlMs: number;
}) {
  const { mailbox, clock, ttlMs } = options;
  const { collection } = options.model;

  /** Says that devices are there: a device that is not listed yet is added. */
  const refresh = async (devices: readonly Device[]): Promise<void> => {
    const seenAt = new Date(clock.now());
    const updates = devices.flatMap(({ recipient, deviceId }) => [
      {
        updateOne: {
          filter: { _id: recipient as never },
          update: { $setOnInsert: { seq: 0, devices: [], cuts: [] } },
          upsert: true,
        },
      },
      {
        updateOne: {
          filter: { _id: recipient as never, 'devices.id': { $ne: deviceId }, [LAST_PLACE]: { $exists: false } },
          update: { $push: { devices: { id: deviceId, seenAt } } },
        },
      },
      {
        updateOne: {
          filter: { _id: recipient as never, devices: { $elemMatch: { id: deviceId, seenAt: { $lt: seenAt } } } },
          update: { $set: { 'devices.$.seenAt': seenAt } },
        },
      },
    ]);
    if (updates.length > 0) await collection.bulkWrite(updates as never, { ordered: true });
  };

  const registerAll = async (devices: readonly Device[]): Promise<Registered[]> => {
    await refresh(devices);
    const ids = [...new Set(devices.map(({ recipient }) => recipient))];
    const documents = await collection
      .find({ _id: { $in: ids as never[] } }, { projection: { seq: 1, cuts: 1, 'devices.id': 1 } })
      .toArray();
    const found = new Map(documents.map((document) => [String(document._id), document]));
    return devices.map(({ recipient, deviceId }) => {
      const document = found.get(recipient) as { seq?: number; cuts?: string[]; devices?: unknown[] } | undefined;
      const isOnly = document?.devices?.length === 1;
      return { last: document?.seq ?? 0, isCut: document?.cuts?.includes(deviceId) ?? false, isOnly };
    });
  };

  return {
    /** A device has connected. */
    register: createGroup(registerAll, GROUP_MAX),
    /** Devices are still there. */
    refresh,
    /** A device was there until now. */
    left: createGroup(async (devices: readonly Device[]) => {
      await refresh(devices);
      return devices;
    }, GROUP_MAX),

    /** Whoever of a recipient's devices is told of a loss is told once. @returns whether it was this call that took the mark */
    async takeCut({ recipient, deviceId }: Device): Promise<boolean> {
      const { modifiedCount } = await collection.updateOne({ _id: recipient as never, cuts: deviceId as never }, {
        $pull: { cuts: deviceId },
      } as never);
      return modifiedCount > 0;
    },

    /** The highest number that was given, for each recipient that has one. */
    async lastOf(recipients: readonly string[]): Promise<Map<string, number>> {
      const documents = await collection
        .find({ _id: { $in: recipients as never[] } }, { projection: { seq: 1 } })
        .toArray();
      return new Map(documents.map((document) => [String(document._id), Number(document['seq'])]));
    },

    /** Gives up the queues of devices that have not come back in time. Any node may do it; each loss is said once. */
    async giveUp(): Promise<void> {
      if (ttlMs === 0) return;
      const before = new Date(clock.now() - ttlMs);
      const stale = { 'devices.seenAt': { $lt: before } };
      const documents = await collection
        .find(stale, { projection: { devices: 1 } })
        .limit(PASS_MAX)
        .toArray();
      for (const document of documents) {
        const recipient = String(document._id);
        const devices = document['devices'] as { id: string; seenAt: Date }[];
        for (const { id, seenAt } of devices.filter((device) => device.seenAt < before)) {
          const { modifiedCount } = await collection.updateOne({ _id: recipient as never }, {
            $pull: { devices: { id, seenAt } },
          } as never);
          // Otherwise it has come back in this moment.
          if (modifiedCount === 0) continue;
          const lost = await mailbox.lose({ recipient, device: id }, 'device');
          if (lost > 0) await mailbox.markCut(recipient, id);
        }
      }
    },
  };
}

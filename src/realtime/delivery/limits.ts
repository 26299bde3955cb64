import type { Clock } from '../../platform/clock.js';
import { isDuplicateKey } from '../../platform/mongo/duplicate-key.js';
import type { Log } from './log.js';
import { type Mailboxes, type StoredDevice, toLoss, withLoss, withoutPending } from './mailboxes.js';
import type { Device } from './outbox.js';
import { pendingOf } from './pending.js';

/** A queue is cut to its limit each time this share of the limit was added. */
const CUT_SHARE = 100;

interface Dependencies {
  mailboxes: Mailboxes;
  log: Log;
  clock: Clock;
  /** Messages a device may have waiting; beyond that the oldest are lost, and the device is told. */
  max: number;
}

/** Ends what a device has no use for any more, or too much of. */
export function createLimits({ mailboxes, log, clock, max }: Dependencies) {
  const { collection } = mailboxes;
  const cutEvery = Math.max(1, Math.floor(max / CUT_SHARE));

  /** The newest position that is too much for a device; `undefined`: none is. */
  const excessOf = async (device: Pick<StoredDevice, 'id' | 'start' | 'acked'>, recipient: string) => {
    const newestFirst = { projection: { _id: 0, position: 1 }, sort: { position: -1 }, skip: max } as const;
    const excess = await log.collection.findOne(pendingOf(device, { recipient, now: clock.now() }), newestFirst);
    return excess === null ? undefined : Number(excess['position']);
  };

  /** Cuts the queue of one device to its limit. @returns the device as it is stored then */
  const cutDevice = async (device: Device): Promise<StoredDevice | undefined> => {
    const mailbox = await mailboxes.get(device.recipient);
    const known = mailbox.devices.find(({ id }) => id === device.deviceId);
    const excess = known && (await excessOf(known, device.recipient));
    if (excess === undefined) return known;
    const after = await mailboxes.change(device, (stored) => ({
      ...withoutPending(stored, excess),
      loss: toLoss(stored, excess, { reason: 'overflow', now: clock.now() }),
    }));
    await mailboxes.cut(device);
    return after;
  };

  /** What waits for the first device is bounded too. */
  const cutUnclaimed = async (recipient: string, start: number): Promise<void> => {
    const nobody = { id: null, start, acked: {} };
    const excess = await excessOf({ ...nobody, id: '' }, recipient);
    if (excess === undefined) return;
    const loss = toLoss(nobody, excess, { reason: 'overflow', now: clock.now() });
    await collection
      .updateOne(
        {
          _id: recipient as never,
          'devices.0': { $exists: false },
          $or: [{ start }, { start: { $exists: false } }],
        } as never,
        // Whichever device comes first has to be told.
        { $set: { start: excess, hasForgotten: true }, ...withLoss(loss) } as never,
        { upsert: true },
      )
      .catch((error: unknown) => {
        // A device has come, or another node has cut it.
        if (!isDuplicateKey(error)) throw error;
      });
  };

  return {
    cutDevice,

    /** Whether so many entries that were stored at once are a reason to look at the limit. */
    isDue: (position: number): boolean => position > max && position % cutEvery === 0,

    /** Cuts every queue of a recipient to its limit. */
    async cut(recipient: string): Promise<void> {
      const { devices, start } = await mailboxes.get(recipient);
      if (devices.length === 0) await cutUnclaimed(recipient, start);
      for (const { id } of devices) await cutDevice({ recipient, deviceId: id });
    },

    /**
     * The device has missed something that it cannot do without: its whole queue ends.
     * @param isNeeded whether that is so, by what is stored
     * @returns the device after that; `undefined`: it was not needed
     */
    async startOver(device: Device, isNeeded: (stored: StoredDevice) => boolean): Promise<StoredDevice | undefined> {
      const last = await log.readLast(device.recipient);
      let isDone = false;
      const after = await mailboxes.change(device, (stored) => {
        isDone = isNeeded(stored);
        if (!isDone) return undefined;
        const loss = toLoss(stored, last, { reason: 'resync', now: clock.now() });
        return { ...withoutPending(stored, last), loss };
      });
      return isDone ? after : undefined;
    },
  };
}

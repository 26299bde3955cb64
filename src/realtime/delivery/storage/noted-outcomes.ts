import type { ExpiryReason } from '#shared/models/delivery.js';
import type { Log } from './log.js';
import type { Device } from './mailboxes.js';

/** Outcomes that an entry keeps: more than a user has devices. */
const OUTCOMES_MAX = 150;

/** The outcome of some entries on a device. */
export interface Outcome {
  readonly device: Device;
  readonly positions: readonly number[];
  /** Unix time in milliseconds. */
  readonly at: number;
  /** Absent: the device acknowledged them. */
  readonly expiry?: ExpiryReason;
}

/** Notes outcomes in the entries of the log. */
export async function noteOutcomes(
  { collection }: Pick<Log, 'collection'>,
  outcomes: readonly Outcome[],
): Promise<void> {
  const updates = outcomes.map(toUpdate);
  const write = () => collection.bulkWrite(updates as never, { ordered: false });
  try {
    await write();
  } catch (error) {
    if (!isWrongType(error)) throw error;
    // One entry with outcomes that are no list would keep those of all devices from being stored.
    const isNoList = { outcomes: { $exists: true, $not: { $type: 'array' } } };
    const faulty = outcomes.map((outcome) => ({ ...entriesOf(outcome), ...isNoList }));
    await collection.updateMany({ $or: faulty } as never, { $unset: { outcomes: '' } });
    await write();
  }
}

const entriesOf = ({ device, positions }: Outcome) => ({
  recipient: device.recipient.key,
  position: { $in: [...positions] },
});

function toUpdate(outcome: Outcome) {
  const { device, at, expiry } = outcome;
  const stored = { device: device.deviceId, at: new Date(at), ...(expiry && { expiry }) };
  return {
    updateMany: {
      filter: { ...entriesOf(outcome), 'outcomes.device': { $ne: device.deviceId } },
      update: { $push: { outcomes: { $each: [stored], $slice: -OUTCOMES_MAX } } },
    },
  };
}

/** Whether the database refused an update because of the type of a stored value. */
const isWrongType = (error: unknown): boolean => {
  const { writeErrors = [] } = error as { writeErrors?: { code?: number } | { code?: number }[] };
  return [writeErrors].flat().some(({ code }) => code === BAD_VALUE);
};
const BAD_VALUE = 2;

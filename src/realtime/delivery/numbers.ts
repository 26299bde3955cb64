import { randomUUID } from 'node:crypto';
import type { Model } from 'mongoose';
import type { DeliveryRecipient } from '#shared/models/delivery.js';

/** Numbers that were taken for one recipient: `first`, `first + 1`, … and the devices that are to get the messages. */
export interface Taken {
  readonly first: number;
  readonly devices: readonly string[];
}

/** Up to this many recipients are cheaper one by one: one call each, against two for all and a third for whom it fails. */
const ONE_BY_ONE_MAX = 4;

type Devices = { id: string; seenAt: Date }[];

/**
 * Gives messages their numbers. A number is used once, and higher than any that was given before the call, by any node:
 * what was sent after something else was acknowledged to its sender comes after it.
 */
export function createNumbers(model: Model<DeliveryRecipient>) {
  const { collection } = model;

  const takeOne = async (recipient: string, count: number): Promise<Taken> => {
    const document = await collection.findOneAndUpdate(
      { _id: recipient as never },
      { $inc: { seq: count }, $setOnInsert: { devices: [], cuts: [] } },
      { upsert: true, returnDocument: 'after', projection: { seq: 1, devices: 1 } },
    );
    return toTaken(document as unknown as Stored, count);
  };

  const takeMany = async (counts: ReadonlyMap<string, number>): Promise<Map<string, Taken>> => {
    const batch = randomUUID();
    const updates = [...counts].map(([recipient, count]) => ({
      updateOne: {
        filter: { _id: recipient as never },
        update: { $inc: { seq: count }, $set: { batch }, $setOnInsert: { devices: [], cuts: [] } },
        upsert: true,
      },
    }));
    await collection.bulkWrite(updates, { ordered: false });
    const documents = await collection
      .find({ _id: { $in: [...counts.keys()] as never[] } }, { projection: { seq: 1, devices: 1, batch: 1 } })
      .toArray();
    const taken = new Map<string, Taken>();
    for (const document of documents as unknown as Stored[]) {
      const count = counts.get(document._id) ?? 0;
      // Another write came between ours and the reading: its numbers cannot be told from ours, so they are left unused.
      const isOurs = document.batch === batch;
      taken.set(document._id, isOurs ? toTaken(document, count) : await takeOne(document._id, count));
    }
    return taken;
  };

  return {
    /** @param counts how many numbers each recipient needs */
    async take(counts: ReadonlyMap<string, number>): Promise<ReadonlyMap<string, Taken>> {
      if (counts.size > ONE_BY_ONE_MAX) return takeMany(counts);
      const pairs = [...counts].map(
        async ([recipient, count]) => [recipient, await takeOne(recipient, count)] as const,
      );
      return new Map(await Promise.all(pairs));
    },
  };
}

interface Stored {
  _id: string;
  seq: number;
  batch?: string;
  devices?: Devices;
}

const toTaken = ({ seq, devices = [] }: Stored, count: number): Taken => ({
  first: seq - count + 1,
  devices: devices.map(({ id }) => id),
});

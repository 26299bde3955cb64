import type { Model } from 'mongoose';
import type { DeliveryNode } from '#shared/models/delivery.js';
import type { Clock } from '../../platform/clock.js';
import type { StoredDevice } from './mailboxes.js';
import { newId } from './message.js';

/** A node that was not heard of for so long is dead. It says that it is alive three times as often. */
const ALIVE_MS = 30_000;
export const HEARTBEAT_MS = ALIVE_MS / 3;
/** A dead node is forgotten after this. */
const KEPT_MS = 30 * 24 * 60 * 60 * 1000;

/** The nodes that were alive lately, at one moment. */
export interface NodesSeen {
  /** When a device was last known to be there. */
  seenAt(device: StoredDevice): number;
  /** It is connected to a node that is alive. */
  isConnected(device: StoredDevice): boolean;
}

/** One statement of a node says of all devices that are connected to it that they are there. */
export type Nodes = ReturnType<typeof createNodes>;

export function createNodes({ model, clock }: { model: Model<DeliveryNode>; clock: Clock }) {
  const { collection } = model;
  const own = newId();
  return {
    own,

    async beat(): Promise<void> {
      const now = clock.now();
      const times = { seenAt: new Date(now), purgeAt: new Date(now + KEPT_MS) };
      await collection.updateOne({ _id: own as never }, { $set: times }, { upsert: true });
    },

    /** Of the nodes that devices are, or were, connected to. */
    async seen(devices: readonly StoredDevice[]): Promise<NodesSeen> {
      const now = clock.now();
      const ids = new Set(devices.flatMap(({ nodes = [] }) => nodes));
      const filter = { _id: { $in: [...ids] as never[] } };
      const found = ids.size === 0 ? [] : await collection.find(filter, { projection: { seenAt: 1 } }).toArray();
      const times = new Map(found.map(({ _id, seenAt }) => [String(_id), (seenAt as Date).getTime()]));
      times.set(own, now);
      const timesOf = ({ nodes = [] }: StoredDevice): number[] => nodes.flatMap((node) => times.get(node) ?? []);
      return {
        seenAt: (device) => Math.max(device.seenAt.getTime(), ...timesOf(device)),
        isConnected: (device) => timesOf(device).some((time) => time > now - ALIVE_MS),
      };
    },
  };
}

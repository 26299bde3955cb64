import type { Collection, Model } from 'mongoose';
import type { DeliveryNode } from '#shared/models/delivery.js';
import { readDate } from '../../../models/index.js';
import type { Clock } from '../../../platform/time/clock.js';
import { newId } from '../message.js';
import type { StoredDevice } from './mailbox.js';

/** A node without a heartbeat for this long is dead. */
const ALIVE_MS = 30_000;

/** Two heartbeats can fail before a node counts as dead. */
export const HEARTBEAT_MS = ALIVE_MS / 3;
/** A dead node is forgotten after this. */
const KEPT_MS = 30 * 24 * 60 * 60 * 1000;

/** The heartbeats of some nodes at one moment. */
export interface Heartbeats {
  /** Unix time in milliseconds at which a device was last known to be connected. */
  seenAt(device: StoredDevice): number;
  /** Whether the device is connected to a node that is alive. */
  isConnected(device: StoredDevice): boolean;
}

/** The nodes of the cluster. The heartbeat of a node says of all devices that are connected to it that they still are. */
export class Nodes {
  /** Id of this node, of this run. */
  readonly own = newId();
  readonly #collection: Collection;
  readonly #clock: Clock;

  constructor({ model, clock }: { model: Model<DeliveryNode>; clock: Clock }) {
    this.#collection = model.collection;
    this.#clock = clock;
  }

  async beat(): Promise<void> {
    const now = this.#clock.now();
    const times = { seenAt: new Date(now), purgeAt: new Date(now + KEPT_MS) };
    await this.#collection.updateOne({ _id: this.own as never }, { $set: times }, { upsert: true });
  }

  /** The heartbeats of the nodes that devices are, or were, connected to. */
  async heartbeatsOf(devices: readonly StoredDevice[]): Promise<Heartbeats> {
    const now = this.#clock.now();
    const ids = new Set(devices.flatMap(({ nodes = [] }) => nodes));
    const filter = { _id: { $in: [...ids] as never[] } };
    const found = ids.size === 0 ? [] : await this.#collection.find(filter, { projection: { seenAt: 1 } }).toArray();
    const times = new Map(found.map(({ _id, seenAt }) => [String(_id), readDate(seenAt)?.getTime() ?? 0]));
    times.set(this.own, now);
    const timesOf = ({ nodes = [] }: StoredDevice): number[] => nodes.flatMap((node) => times.get(node) ?? []);
    return {
      seenAt: (device) => Math.max(device.seenAt.getTime(), ...timesOf(device)),
      isConnected: (device) => timesOf(device).some((time) => time > now - ALIVE_MS),
    };
  }
}

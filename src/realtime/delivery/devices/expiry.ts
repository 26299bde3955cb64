import { GatewayError } from '../../../errors.js';
import type { Clock } from '../../../platform/time/clock.js';
import type { KeyedRecipient } from '../message.js';
import type { Log } from '../storage/log.js';
import type { Mailbox, StoredDevice } from '../storage/mailbox.js';
import { type Device, type Mailboxes, toExpiration, toExpirationUpdate } from '../storage/mailboxes.js';
import type { Nodes } from '../storage/nodes.js';
import { toPendingFilter } from '../storage/pending.js';
import type { CutReason, OnCut } from './cuts.js';

/** Devices of one recipient. Another one replaces the device that has been away longest. */
export const DEVICES_MAX = 100;
/** Mailboxes that one sweep reads. */
const SWEEP_MAX = 100;

interface Dependencies {
  readonly mailboxes: Mailboxes;
  readonly log: Log;
  readonly nodes: Nodes;
  readonly clock: Clock;
  /** How long a device that is away is kept; 0: forever. */
  readonly ttlMs: number;
  /** Whether a socket of the device is connected to this node. */
  isHere(device: Device): boolean;
  readonly onCut: OnCut;
}

/** Removes devices that are away, with their queues. A device that comes back gets `_resync`. */
export class DeviceExpiry {
  readonly #dependencies: Dependencies;

  constructor(dependencies: Dependencies) {
    this.#dependencies = dependencies;
  }

  /** Removes devices that have been away for too long. Any node may do it. */
  async removeAway(): Promise<void> {
    const { mailboxes, nodes, clock, ttlMs } = this.#dependencies;
    if (ttlMs === 0) return;
    const before = clock.now() - ttlMs;
    const stale = await mailboxes.findSeenBefore(before, SWEEP_MAX);
    const heartbeats = await nodes.heartbeatsOf(stale.flatMap(({ devices }) => devices));
    for (const { recipient, devices } of stale) {
      for (const device of devices.filter(({ seenAt }) => seenAt.getTime() < before)) {
        const seenAt = this.#isHere(recipient, device) ? clock.now() : heartbeats.seenAt(device);
        if (seenAt < before) await this.#remove(recipient, device, 'away');
        else
          await mailboxes.collection.updateOne(same(recipient, device), {
            $set: { 'devices.$.seenAt': new Date(seenAt) },
          });
      }
    }
  }

  /** Makes room for another device. @throws GatewayError `QUOTA_EXCEEDED` when all devices are connected */
  async makeRoom(recipient: KeyedRecipient, { devices }: Mailbox): Promise<void> {
    if (devices.length < DEVICES_MAX) return;
    const heartbeats = await this.#dependencies.nodes.heartbeatsOf(devices);
    const away = devices.filter((device) => !heartbeats.isConnected(device) && !this.#isHere(recipient, device));
    const [longest] = away.sort((one, other) => heartbeats.seenAt(one) - heartbeats.seenAt(other));
    if (longest === undefined) throw new GatewayError('QUOTA_EXCEEDED');
    await this.#remove(recipient, longest, 'room');
  }

  /**
   * Removes a device that is away.
   * @returns `false`: it was seen meanwhile, and stays; `undefined`: there is no such device
   */
  async forget({ recipient, deviceId }: Device): Promise<boolean | undefined> {
    const find = async () =>
      (await this.#dependencies.mailboxes.get(recipient.key)).devices.find(({ id }) => id === deviceId);
    const device = await find();
    if (device === undefined) return undefined;
    await this.#remove(recipient, device, 'forgotten');
    return (await find()) === undefined;
  }

  async #remove(recipient: KeyedRecipient, device: StoredDevice, reason: CutReason): Promise<void> {
    const { mailboxes, log, clock, onCut } = this.#dependencies;
    const { id, seenAt } = device;
    const last = await log.readLast(recipient.key);
    const filter = toPendingFilter(device, { recipient: recipient.key, now: clock.now() });
    const pending = await log.collection.findOne(filter, { projection: { _id: 1 } });
    const expiration = pending && toExpiration(device, last, { reason: 'device', now: clock.now() });
    // Flagged whether something waits or not: from now on the device misses what is sent.
    await mailboxes.updateWithLoss(id, same(recipient, device), {
      $pull: { devices: { id, seenAt } },
      $max: { start: last },
      ...(expiration && toExpirationUpdate(expiration)),
    });
    if (pending !== null) onCut({ recipient, deviceId: id }, reason);
  }

  #isHere(recipient: KeyedRecipient, { id }: StoredDevice): boolean {
    return this.#dependencies.isHere({ recipient, deviceId: id });
  }
}

/** The device as it was read: another node has not seen it since. */
const same = ({ key }: KeyedRecipient, { id, seenAt }: StoredDevice) => ({
  _id: key as never,
  devices: { $elemMatch: { id, seenAt } } as never,
});

/**
 * The devices of the mailboxes. Nothing has to be known of a device when a message is stored; a device only has to begin at
 * the right position:
 *
 * - A known device continues after what it has acknowledged.
 * - The first device of a recipient gets everything that waits.
 * - A further device begins where the log stood when it connected. Its client is connected before the database is asked, so
 *   this position is found afterwards: it gets the entries that were created up to {@link SLACK_MS} before, except those
 *   whose callers had their response from this node by then. So it misses nothing that was answered since it connected, as
 *   long as clocks differ by less than {@link CLOCK_SKEW_MS}, and may get messages of the last seconds before.
 */
import { createBatcher } from '../../../platform/concurrency/batcher.js';
import { isDuplicateKey } from '../../../platform/mongo/duplicate-key.js';
import type { Clock } from '../../../platform/time/clock.js';
import { readStart } from '../storage/device-start.js';
import { type Log, STORING_MAX_MS } from '../storage/log.js';
import { EMPTY_MAILBOX, type Mailbox, type StoredDevice } from '../storage/mailbox.js';
import { type Device, type Mailboxes, toStoredDevice } from '../storage/mailboxes.js';
import type { Nodes } from '../storage/nodes.js';
import type { PositionRange } from '../storage/positions.js';
import type { Cursor } from './cursor.js';
import { DEVICES_MAX, type DeviceExpiry } from './expiry.js';

/** How far the clocks of two nodes may differ. */
export const CLOCK_SKEW_MS = 5000;
const SLACK_MS = STORING_MAX_MS + CLOCK_SKEW_MS;
const LAST_PLACE = `devices.${DEVICES_MAX - 1}`;
/** Nodes that are stored of a device. */
const NODES_MAX = 8;
/** Devices that one database call registers. */
const BATCH_MAX = 500;
/** Time between two such calls: when many clients come back, few of them. What waits is sent this much later at most. */
const REGISTER_SPACING = { spacingMs: 25, crowdedSpacingMs: 100 };
/** Nothing waits for it to be stored that a device has come or gone. */
const NOTE_SPACING_MS = 250;

/** A device has connected or disconnected. */
interface Change extends Device {
  /** Unix time in milliseconds. It is stored later, together with others. */
  readonly at: number;
}

/** A device that connects. */
export interface ConnectingDevice extends Device {
  /** Namespaces whose messages it gets on this connection. */
  readonly namespaces: readonly string[];
  /** Unix time in milliseconds. */
  readonly connectedAt: number;
  /** Positions whose callers had their responses before that. */
  readonly answered: PositionRange | undefined;
}

/** A device that is registered. */
export interface RegisteredDevice {
  readonly device: StoredDevice;
  /** It was not known before. */
  readonly isNew: boolean;
  /** It has lost messages and was not notified; a new one may have. */
  readonly needsResync: boolean;
}

interface Dependencies {
  readonly mailboxes: Mailboxes;
  readonly log: Log;
  readonly nodes: Nodes;
  readonly expiry: DeviceExpiry;
  readonly clock: Clock;
  /** Whether a socket of the device is connected to this node. */
  isHere(device: Device): boolean;
}

/** Registers devices in their mailboxes. */
export class Devices {
  /** A device has connected. @throws GatewayError `QUOTA_EXCEEDED` when the recipient has too many connected devices */
  readonly register = createBatcher((devices: readonly ConnectingDevice[]) => this.#registerAll(devices), {
    sizeMax: BATCH_MAX,
    ...REGISTER_SPACING,
  });
  readonly #note = createBatcher((changes: readonly Change[]) => this.#noteAll(changes), {
    sizeMax: BATCH_MAX,
    spacingMs: NOTE_SPACING_MS,
  });
  readonly #dependencies: Dependencies;

  constructor(dependencies: Dependencies) {
    this.#dependencies = dependencies;
  }

  /** A device has connected or disconnected, now. */
  async noteConnection({ recipient, deviceId }: Device): Promise<void> {
    await this.#note({ recipient, deviceId, at: this.#dependencies.clock.now() });
  }

  /** Adds a device again that was removed although it is connected. */
  async restore(
    { recipient, deviceId }: Device,
    { acked, start, revision = 0 }: Pick<Cursor, 'acked' | 'start' | 'revision'>,
  ): Promise<void> {
    const { mailboxes, nodes, clock } = this.#dependencies;
    const stored = { ...toStoredDevice(deviceId, start, clock.now(), [nodes.own]), acked, revision: revision + 1 };
    await mailboxes.collection.updateOne(hasRoomFor({ recipient, deviceId }), { $push: { devices: stored } } as never);
  }

  async #registerAll(connecting: readonly ConnectingDevice[]): Promise<(RegisteredDevice | Error)[]> {
    const keys = connecting.map(({ recipient }) => recipient.key);
    const before = await this.#dependencies.mailboxes.find(keys);
    const firsts = connecting.filter(({ recipient }) => (before.get(recipient.key)?.devices.length ?? 0) === 0);
    const after = firsts.length === 0 ? undefined : await this.#addFirsts(firsts, before);
    const registered = connecting.map((device) => {
      const [old, now] = [before.get(device.recipient.key), after?.get(device.recipient.key)];
      const known = (old && toRegistered(old, device, false)) ?? (now && toRegistered(now, device, true));
      return known ?? this.#addFurther(device, now ?? old).catch((error: Error) => error);
    });
    return Promise.all(registered);
  }

  /** Adds devices of recipients without any. When several of one recipient connect at once, one of them is the first. */
  async #addFirsts(connecting: readonly ConnectingDevice[], mailboxes: ReadonlyMap<string, Mailbox>) {
    const { collection } = this.#dependencies.mailboxes;
    const updates = connecting.map((device) => ({
      updateOne: {
        filter: { _id: device.recipient.key, 'devices.0': { $exists: false } },
        update: this.#toAddition(device, mailboxes.get(device.recipient.key)),
        upsert: true,
      },
    }));
    await collection.bulkWrite(updates as never, { ordered: false }).catch((error: unknown) => {
      if (!isDuplicateKey(error)) throw error;
    });
    return this.#dependencies.mailboxes.find(connecting.map(({ recipient }) => recipient.key));
  }

  /** Adds a device of a recipient who has others. */
  async #addFurther(device: ConnectingDevice, before: Mailbox = EMPTY_MAILBOX): Promise<RegisteredDevice> {
    const { mailboxes, log, expiry } = this.#dependencies;
    const { recipient, connectedAt, answered } = device;
    const start = await readStart(log, { recipient: recipient.key, time: connectedAt - SLACK_MS, answered });
    const update = this.#toAddition(device, { ...before, start });
    for (;;) {
      const { matchedCount } = await mailboxes.collection.updateOne(hasRoomFor(device), update as never);
      const mailbox = await mailboxes.get(recipient.key);
      const registered = toRegistered(mailbox, device, true);
      if (registered !== undefined) return registered;
      if (matchedCount === 0) await expiry.makeRoom(recipient, mailbox);
    }
  }

  /** The update that adds a device. One that must be notified of a loss is flagged, should this node end before that. */
  #toAddition(
    { deviceId, connectedAt, namespaces }: ConnectingDevice,
    { start, resyncFlags, flagsUnknownDevices }: Mailbox = EMPTY_MAILBOX,
  ) {
    const stored = {
      ...toStoredDevice(deviceId, start, connectedAt, [this.#dependencies.nodes.own]),
      acked: Object.fromEntries(namespaces.map((namespace) => [namespace, { upTo: start, holes: [] }])),
    };
    const isFlagged = flagsUnknownDevices || resyncFlags.includes(null);
    return { $push: { devices: stored }, ...(isFlagged && { $addToSet: { resyncFlags: deviceId } }) };
  }

  /** What counts is whether the device is connected here now, so several calls for one device are one update, of the last time. */
  async #noteAll(changes: readonly Change[]): Promise<readonly Change[]> {
    const distinct = new Map(changes.map((change) => [`${change.recipient.key} ${change.deviceId}`, change]));
    const updates = Array.from(distinct.values(), (change) => ({ updateOne: this.#toConnectionUpdate(change) }));
    await this.#dependencies.mailboxes.collection.bulkWrite(updates as never, { ordered: false });
    return changes;
  }

  #toConnectionUpdate(change: Change) {
    const { nodes, isHere } = this.#dependencies;
    const { recipient, deviceId: id } = change;
    const at = new Date(change.at);
    if (!isHere(change)) {
      const update = { $pull: { 'devices.$.nodes': nodes.own }, $max: { 'devices.$.seenAt': at } };
      return { filter: { _id: recipient.key, 'devices.id': id }, update };
    }
    const $set = { 'devices.$.seenAt': at, 'devices.$.connectedAt': at };
    const $push = { 'devices.$.nodes': { $each: [nodes.own], $slice: -NODES_MAX } };
    const isElsewhere = { $elemMatch: { id, nodes: { $ne: nodes.own } } };
    return { filter: { _id: recipient.key, devices: isElsewhere }, update: { $set, $push } };
  }
}

/** A mailbox that does not have the device and has room for it. */
const hasRoomFor = ({ recipient, deviceId }: Device) => ({
  _id: recipient.key as never,
  'devices.id': { $ne: deviceId },
  [LAST_PLACE]: { $exists: false },
});

/** @returns `undefined` if the mailbox does not have the device */
function toRegistered(
  { devices, resyncFlags, flagsUnknownDevices }: Mailbox,
  { deviceId }: Device,
  isNew: boolean,
): RegisteredDevice | undefined {
  const device = devices.find(({ id }) => id === deviceId);
  const isFlagged = flagsUnknownDevices || resyncFlags.includes(null);
  const needsResync = resyncFlags.includes(deviceId) || (isNew && isFlagged);
  return device && { device, isNew, needsResync };
}

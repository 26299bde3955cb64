/**
 * The devices of a mailbox. Nothing has to be known of a device when a message is stored; it only has to begin at the right
 * place in the log:
 *
 * - A device that is known goes on after what it has acknowledged.
 * - The first device gets everything that waits.
 * - A device of a user who has others begins where the log stood when it connected. Its client was let in before the database
 *   was asked, so this is found afterwards: entries that were stored up to {@link SLACK_MS} before belong to it too, unless
 *   this node itself had answered their callers by then. So nothing is missed that was answered since the client was
 *   connected, whatever the clocks of nodes say within a few seconds, and a message of the last seconds may come though
 *   it was sent before.
 */
import type { Loss } from '#shared/models/delivery.js';
import { GatewayError } from '../../errors.js';
import { createBatcher } from '../../platform/batcher.js';
import type { Clock } from '../../platform/clock.js';
import { isDuplicateKey } from '../../platform/mongo/duplicate-key.js';
import { type Log, STORING_MAX_MS } from './log.js';
import { type Mailbox, type Mailboxes, type StoredDevice, toLoss, toStoredDevice, withLoss } from './mailboxes.js';
import type { Nodes } from './nodes.js';
import type { Device } from './outbox.js';
import { pendingOf } from './pending.js';
import type { PositionRange } from './positions.js';

/** By how much the clocks of two nodes may differ. */
export const CLOCK_SKEW_MS = 5000;
const SLACK_MS = STORING_MAX_MS + CLOCK_SKEW_MS;
/** Devices of one user. The one that has been gone longest makes room for another. */
const DEVICES_MAX = 100;
const LAST_PLACE = `devices.${DEVICES_MAX - 1}`;
/** Nodes that are noted of a device. */
const NODES_MAX = 8;
/** Devices that one database call registers. */
const GROUP_MAX = 500;
/** Mailboxes that one pass looks at for devices which have not come back. */
const PASS_MAX = 100;

/** A device that connects. */
export interface Arrival extends Device {
  /** Those that it hears on this connection. */
  readonly namespaces: readonly string[];
  /** Unix time in milliseconds. */
  readonly connectedAt: number;
  /** Positions whose callers had their answers before that. */
  readonly answered: PositionRange | undefined;
}

/** What a device finds when it connects. */
export interface Registered {
  readonly device: StoredDevice;
  /** It was not known before. */
  readonly isNew: boolean;
  /** It lost messages and has not been told; of a new device: it may have. */
  readonly isCut: boolean;
}

interface Dependencies {
  mailboxes: Mailboxes;
  log: Log;
  nodes: Nodes;
  clock: Clock;
  /** How long the queue of a device that is gone is kept; 0: for ever. */
  ttlMs: number;
  /** A socket of the device is connected to this node. */
  isHere(device: Device): boolean;
}

/** Which devices a mailbox has. */
export function createDevices({ mailboxes, log, nodes, clock, ttlMs, isHere }: Dependencies) {
  const { collection } = mailboxes;
  const idOf = (recipient: string) => ({ _id: recipient as never });

  const toNew = ({ deviceId, connectedAt, namespaces }: Arrival, start: number): StoredDevice => ({
    ...toStoredDevice(deviceId, start, connectedAt, [nodes.own]),
    acked: Object.fromEntries(namespaces.map((namespace) => [namespace, { upTo: start, holes: [] }])),
  });

  const registerAll = async (arrivals: readonly Arrival[]): Promise<(Registered | Error)[]> => {
    const before = await mailboxes.find(arrivals.map(({ recipient }) => recipient));
    const firsts = arrivals.filter(({ recipient }) => (before.get(recipient)?.devices.length ?? 0) === 0);
    const after = firsts.length === 0 ? undefined : await addFirsts(firsts, before);
    return Promise.all(
      arrivals.map(async (arrival) => {
        const { recipient } = arrival;
        const [old, now] = [before.get(recipient), after?.get(recipient)];
        const known = (old && toRegistered(old, arrival, false)) ?? (now && toRegistered(now, arrival, true));
        return known ?? addFurther(arrival).catch((error: Error) => error);
      }),
    );
  };

  /** Adds devices of users who have none. Of several of one user that come at once, one is the first. */
  const addFirsts = async (arrivals: readonly Arrival[], found: ReadonlyMap<string, Mailbox>) => {
    const updates = arrivals.map((arrival) => ({
      updateOne: {
        filter: { ...idOf(arrival.recipient), 'devices.0': { $exists: false } },
        update: { $push: { devices: toNew(arrival, found.get(arrival.recipient)?.start ?? 0) } },
        upsert: true,
      },
    }));
    await collection.bulkWrite(updates as never, { ordered: false }).catch((error: unknown) => {
      if (!isDuplicateKey(error)) throw error;
    });
    return mailboxes.find(arrivals.map(({ recipient }) => recipient));
  };

  /** Adds a device of a user who has others. @throws GatewayError `QUOTA_EXCEEDED`: all that there may be are connected */
  const addFurther = async (arrival: Arrival): Promise<Registered> => {
    const { recipient, deviceId, connectedAt, answered } = arrival;
    const start = await log.positionBefore(recipient, connectedAt - SLACK_MS, answered);
    const stored = toNew(arrival, start);
    for (;;) {
      const hasRoom = { ...idOf(recipient), 'devices.id': { $ne: deviceId }, [LAST_PLACE]: { $exists: false } };
      const { matchedCount } = await collection.updateOne(hasRoom, { $push: { devices: stored } } as never);
      const mailbox = await mailboxes.get(recipient);
      const registered = toRegistered(mailbox, arrival, true);
      if (registered !== undefined) return registered;
      if (matchedCount === 0) await makeRoom(recipient, mailbox);
    }
  };

  const makeRoom = async (recipient: string, { devices }: Mailbox): Promise<void> => {
    if (devices.length < DEVICES_MAX) return;
    const seen = await nodes.seen(devices);
    const gone = devices.filter((device) => !seen.isConnected(device) && !isHere({ recipient, deviceId: device.id }));
    const [longest] = gone.sort((a, b) => seen.seenAt(a) - seen.seenAt(b));
    if (longest === undefined) throw new GatewayError('QUOTA_EXCEEDED');
    await remove(recipient, longest);
  };

  /** Gives a device up with everything that waits for it. It is told should it ever come back. */
  const remove = async (recipient: string, device: StoredDevice): Promise<void> => {
    const { id, seenAt } = device;
    const last = await log.readLast(recipient);
    const filter = pendingOf(device, { recipient, now: clock.now() });
    const pending = await log.collection.findOne(filter, { projection: { _id: 1 } });
    const loss = pending && toLoss(device, last, { reason: 'device' satisfies Loss, now: clock.now() });
    const { modifiedCount } = await collection.updateOne(
      { ...idOf(recipient), devices: { $elemMatch: { id, seenAt } } } as never,
      {
        $pull: { devices: { id, seenAt } },
        $max: { start: last },
        ...(loss && withLoss(loss)),
      } as never,
    );
    // Otherwise it has come back in this moment.
    if (modifiedCount > 0 && pending) await mailboxes.cut({ recipient, deviceId: id });
  };

  /** Notes which of the devices are connected here. Of one device the last call counts: they are worked on in order. */
  const noteAll = async (devices: readonly Device[]): Promise<readonly Device[]> => {
    const seenAt = new Date(clock.now());
    const own = nodes.own;
    const updates = devices.map((device) => {
      const { recipient, deviceId: id } = device;
      if (!isHere(device)) {
        const update = { $pull: { 'devices.$.nodes': own }, $max: { 'devices.$.seenAt': seenAt } };
        return { updateOne: { filter: { ...idOf(recipient), 'devices.id': id }, update } };
      }
      const filter = { ...idOf(recipient), devices: { $elemMatch: { id, nodes: { $ne: own } } } };
      const $set = { 'devices.$.seenAt': seenAt, 'devices.$.connectedAt': seenAt };
      return {
        updateOne: { filter, update: { $set, $push: { 'devices.$.nodes': { $each: [own], $slice: -NODES_MAX } } } },
      };
    });
    await collection.bulkWrite(updates as never, { ordered: true });
    return devices;
  };

  return {
    /** A device has connected. @throws GatewayError `QUOTA_EXCEEDED`: it cannot be kept */
    register: createBatcher(registerAll, GROUP_MAX),
    /** A device has come or gone. */
    note: createBatcher(noteAll, GROUP_MAX),

    /** Keeps a device that was given up although it is connected. */
    async restore({
      device: { recipient, deviceId },
      acked,
      start,
    }: Pick<StoredDevice, 'acked' | 'start'> & { device: Device }) {
      const stored = { ...toStoredDevice(deviceId, start, clock.now(), [nodes.own]), acked };
      const hasRoom = { ...idOf(recipient), 'devices.id': { $ne: deviceId }, [LAST_PLACE]: { $exists: false } };
      await collection.updateOne(hasRoom, { $push: { devices: stored } } as never);
    },

    /** Gives up devices that have not come back in time. Any node may do it; each loss is said once. */
    async giveUp(): Promise<void> {
      if (ttlMs === 0) return;
      const before = clock.now() - ttlMs;
      const found = await collection
        .find({ 'devices.seenAt': { $lt: new Date(before) } }, { projection: { devices: 1 } })
        .limit(PASS_MAX)
        .toArray();
      const stale = found as unknown as { _id: string; devices: StoredDevice[] }[];
      const seen = await nodes.seen(stale.flatMap(({ devices }) => devices));
      for (const { _id, devices } of stale) {
        for (const device of devices.filter(({ seenAt }) => seenAt.getTime() < before)) {
          const { id, seenAt } = device;
          const lastSeen = isHere({ recipient: _id, deviceId: id }) ? clock.now() : seen.seenAt(device);
          const same = { ...idOf(_id), devices: { $elemMatch: { id, seenAt } } };
          if (lastSeen < before) await remove(_id, device);
          else await collection.updateOne(same as never, { $set: { 'devices.$.seenAt': new Date(lastSeen) } });
        }
      }
    },
  };
}

/** What a device finds; `undefined` if there is no such device. @param isNew it was not known until now */
function toRegistered(
  { devices, cuts, hasForgotten }: Mailbox,
  { deviceId }: Arrival,
  isNew: boolean,
): Registered | undefined {
  const device = devices.find(({ id }) => id === deviceId);
  return device && { device, isNew, isCut: cuts.includes(deviceId) || (isNew && hasForgotten) };
}

/**
 * Why a user got a message, or did not: what is stored of it, seen together with who is connected now. It asks the
 * database and the leases of the sockets, never the nodes, and bounds what it reads.
 */
import type { DeliveryReason } from '#shared/contracts/deliveries.js';
import type { Models } from '#shared/models/index.js';
import type { Clock } from '../../platform/clock.js';
import { siteNamespace, userNamespaces } from '../namespaces.js';
import type { Place } from '../presence/index.js';
import { createHistory, type EntryState, type HistoryQuestion, type PastMessage } from './history.js';
import { GENERAL_SITE, keyOf, type Recipient } from './message.js';
import { UNACKNOWLEDGED_MAX } from './outbox.js';
import { type Circumstances, reasonOf } from './reasons.js';

/** Waiting messages of a device are counted up to this many. */
const WAITING_MAX = 1000;

/** A device that messages are kept for. */
export interface InquiredDevice {
  readonly deviceId: string;
  readonly isConnected: boolean;
  readonly namespaces: readonly string[];
  readonly seenAt: Date;
  readonly waiting: number;
}

/** What became of a message on one device. */
interface Fate {
  readonly deviceId: string | null;
  readonly state: EntryState | null;
  readonly at: Date | null;
  readonly reason: DeliveryReason;
}

/** A message and what became of it. */
export interface InquiredMessage extends PastMessage {
  readonly fates: readonly Fate[];
}

/** What is found out. */
export interface Findings {
  readonly messages: readonly InquiredMessage[];
  readonly devices: readonly InquiredDevice[];
  readonly next: number | null;
}

interface StoredDevice {
  readonly id: string;
  readonly seenAt: Date;
}

/** @returns finds out about a recipient whose sockets are at the given places */
export function createInquiry({ models, clock }: { models: Models; clock: Clock }) {
  const history = createHistory(models);
  const entries = models.DeliveryEntry.collection;
  const recipients = models.DeliveryRecipient.collection;

  const devicesOf = async (recipient: string): Promise<StoredDevice[]> => {
    const found = await recipients.findOne({ _id: recipient as never }, { projection: { devices: 1 } });
    return (found?.['devices'] as StoredDevice[] | undefined) ?? [];
  };

  const waitingOf = (recipient: string, device: string): Promise<number> =>
    entries.countDocuments({ recipient, device, isPending: true }, { limit: WAITING_MAX });

  /** The number of the last message that the device may be sent before it acknowledges something. */
  const lastSendable = async (recipient: string, device: string, namespace: string): Promise<number> => {
    const queue = { recipient, device, isPending: true, namespace: { $in: [namespace, '*'] } };
    const [last] = await entries
      .find(queue, { projection: { _id: 0, seq: 1 }, sort: { seq: 1 }, skip: UNACKNOWLEDGED_MAX - 1, limit: 1 })
      .toArray();
    return last === undefined ? Number.POSITIVE_INFINITY : Number(last['seq']);
  };

  /** A device, and what a message for it has to do with. */
  const look = async (recipient: Recipient, { id, seenAt }: StoredDevice, places: readonly Place[]) => {
    const key = keyOf(recipient);
    const namespaces = places.flatMap(({ deviceId, namespace }) => (deviceId === id ? namespace : [])).sort();
    const waiting = await waitingOf(key, id);
    const isShort = waiting <= UNACKNOWLEDGED_MAX;
    const heard = namespaces.filter((namespace) => mailboxNamespaces(recipient).includes(namespace));
    const limits = heard.map(async (namespace): Promise<[string, number]> => {
      return [namespace, isShort ? Number.POSITIVE_INFINITY : await lastSendable(key, id, namespace)];
    });
    const device: InquiredDevice = { deviceId: id, isConnected: namespaces.length > 0, namespaces, seenAt, waiting };
    const circumstances = { now: clock.now(), namespaces, stalledAfter: new Map(await Promise.all(limits)) };
    return { device, circumstances };
  };

  return async (
    { recipient, ...question }: Omit<HistoryQuestion, 'devices'>,
    placesOf: () => Promise<readonly Place[]>,
  ): Promise<Findings> => {
    const stored = await devicesOf(keyOf(recipient));
    const page = await history.page({ ...question, recipient, devices: stored.map(({ id }) => id) });
    const places = await placesOf();
    const looks = await Promise.all(stored.map((device) => look(recipient, device, places)));
    const devices = looks.map(({ device }) => device);
    const known = new Map<string | null, Circumstances>(
      looks.map(({ device, circumstances }) => [device.deviceId, circumstances]),
    );
    const gone = { now: clock.now(), namespaces: [], stalledAfter: new Map() };
    const messages = page.messages.map((message): InquiredMessage => {
      const fates = message.entries.map((entry): Fate => {
        const reason = reasonOf(entry, known.get(entry.device) ?? gone);
        return { deviceId: entry.device, state: entry.state, at: entry.at, reason };
      });
      return { ...message, fates: [...fates, ...unknownFates(fates, devices)] };
    });
    return { messages, devices, next: page.next };
  };
}

/** The namespaces on which a mailbox is heard. */
const mailboxNamespaces = ({ site }: Recipient): readonly string[] =>
  site === GENERAL_SITE ? userNamespaces : [siteNamespace(site)];

/** Devices of which nothing is stored; none of a message that the first device to come gets. */
function unknownFates(fates: readonly Fate[], devices: readonly InquiredDevice[]): Fate[] {
  const addressed = new Set(fates.map(({ deviceId }) => deviceId));
  if (addressed.has(null)) return [];
  return devices.flatMap(({ deviceId }): Fate[] =>
    addressed.has(deviceId) ? [] : [{ deviceId, state: null, at: null, reason: 'NO_RECORD' }],
  );
}

/**
 * Why a user got a message, or did not: what is stored of it, seen together with who is connected now. It asks the
 * database and the leases of the sockets, never the nodes, and bounds what it reads.
 */
import type { DeliveryReason } from '#shared/contracts/deliveries.js';
import { siteNamespace, userNamespaces } from '#shared/contracts/namespaces.js';
import type { Models } from '#shared/models/index.js';
import type { Clock } from '../../platform/clock.js';
import type { Place } from '../presence/index.js';
import type { EntryState } from './fates.js';
import { createHistory, type HistoryQuestion, type PastMessage } from './history.js';
import { createMailboxes, type StoredDevice } from './mailboxes.js';
import { GENERAL_SITE, keyOf, type Recipient } from './message.js';
import { createNodes, type NodesSeen } from './nodes.js';
import { UNACKNOWLEDGED_MAX } from './outbox.js';
import { pendingOf } from './pending.js';
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
interface InquiredFate {
  readonly deviceId: string | null;
  readonly state: EntryState | null;
  readonly at: Date | null;
  readonly reason: DeliveryReason;
}

/** A message and what became of it. */
export interface InquiredMessage extends Omit<PastMessage, 'fates'> {
  readonly fates: readonly InquiredFate[];
}

/** What is found out. */
export interface Findings {
  readonly messages: readonly InquiredMessage[];
  readonly devices: readonly InquiredDevice[];
  readonly next: number | null;
}

/** @returns finds out about a recipient whose sockets are at the given places */
export function createInquiry({ models, clock }: { models: Models; clock: Clock }) {
  const history = createHistory(models, clock.now);
  const entries = models.DeliveryEntry.collection;
  const mailboxes = createMailboxes(models.DeliveryRecipient);
  const nodes = createNodes({ model: models.DeliveryNode, clock });

  /** The position of the last message that the device may be sent before it acknowledges something. */
  const lastSendable = async (recipient: string, device: StoredDevice, namespace: string): Promise<number> => {
    const last = await entries.findOne(pendingOf(device, { recipient, namespace, now: clock.now() }), {
      ...{ projection: { _id: 0, position: 1 }, sort: { position: 1 }, skip: UNACKNOWLEDGED_MAX - 1 },
    });
    return last === null ? Number.POSITIVE_INFINITY : Number(last['position']);
  };

  /** A device, and what a message for it has to do with. */
  const look = async (
    recipient: Recipient,
    device: StoredDevice,
    { places, seen }: { places: readonly Place[]; seen: NodesSeen },
  ) => {
    const key = keyOf(recipient);
    const { id } = device;
    const namespaces = places.flatMap(({ deviceId, namespace }) => (deviceId === id ? namespace : [])).sort();
    const pending = pendingOf(device, { recipient: key, now: clock.now() });
    const waiting = await entries.countDocuments(pending, { limit: WAITING_MAX });
    const isShort = waiting <= UNACKNOWLEDGED_MAX;
    const heard = namespaces.filter((namespace) => mailboxNamespaces(recipient).includes(namespace));
    const limits = heard.map(async (namespace): Promise<[string, number]> => {
      return [namespace, isShort ? Number.POSITIVE_INFINITY : await lastSendable(key, device, namespace)];
    });
    const isConnected = namespaces.length > 0;
    const seenAt = new Date(seen.seenAt(device));
    const circumstances = { namespaces, stalledAfter: new Map(await Promise.all(limits)) };
    return { device: { deviceId: id, isConnected, namespaces, seenAt, waiting }, circumstances };
  };

  return async (question: HistoryQuestion, placesOf: () => Promise<readonly Place[]>): Promise<Findings> => {
    const { recipient } = question;
    const mailbox = await mailboxes.get(keyOf(recipient));
    const page = await history.page(question, mailbox);
    const [places, seen] = await Promise.all([placesOf(), nodes.seen(mailbox.devices)]);
    const looks = await Promise.all(mailbox.devices.map((device) => look(recipient, device, { places, seen })));
    const devices = looks.map(({ device }) => device);
    const known = new Map<string | null, Circumstances>(
      looks.map(({ device, circumstances }) => [device.deviceId, circumstances]),
    );
    const gone = { namespaces: [], stalledAfter: new Map() };
    const messages = page.messages.map((message): InquiredMessage => {
      const fates = message.fates.map((fate): InquiredFate => {
        const reason = reasonOf(message, fate, known.get(fate.device) ?? gone);
        return { deviceId: fate.device, state: fate.state, at: fate.at, reason };
      });
      return { ...message, fates: [...fates, ...unknownFates(fates, devices)] };
    });
    return { messages, devices, next: page.next };
  };
}

/** The namespaces on which a mailbox is heard. */
const mailboxNamespaces = ({ site }: Recipient): readonly string[] =>
  site === GENERAL_SITE ? userNamespaces : [siteNamespace(site)];

/** Devices of which nothing is known; none of a message that the first device to come gets. */
function unknownFates(fates: readonly InquiredFate[], devices: readonly InquiredDevice[]): InquiredFate[] {
  const addressed = new Set(fates.map(({ deviceId }) => deviceId));
  if (addressed.has(null)) return [];
  return devices.flatMap(({ deviceId }): InquiredFate[] =>
    addressed.has(deviceId) ? [] : [{ deviceId, state: null, at: null, reason: 'NO_RECORD' }],
  );
}

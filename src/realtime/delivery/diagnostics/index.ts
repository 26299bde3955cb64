/**
 * Why a user got a message, or did not: what is stored of it, together with who is connected now. It asks the database and
 * presence, never the nodes, and bounds what it reads.
 */
import type { Collection } from 'mongoose';
import type { DeliveryReason } from '#shared/contracts/delivery-reasons.js';
import { siteNamespace, userNamespaces } from '#shared/contracts/namespaces.js';
import type { Models } from '#shared/models/index.js';
import type { Clock } from '../../../platform/time/clock.js';
import type { Place, PresenceStore } from '../../presence/index.js';
import { GENERAL_SITE, keyOf, type Recipient } from '../message.js';
import { WINDOW_MAX } from '../outbox/window.js';
import type { StoredDevice } from '../storage/mailbox.js';
import { Mailboxes } from '../storage/mailboxes.js';
import { type Heartbeats, Nodes } from '../storage/nodes.js';
import type { DeliveryState } from '../storage/outcomes.js';
import { toPendingFilter } from '../storage/pending.js';
import { History, type HistoryQuery, type PastMessage } from './history.js';
import { type DeviceConnections, reasonOf } from './reasons.js';

/** Waiting messages of a device are counted up to this many. */
const WAITING_MAX = 1000;

/** A device that messages are kept for. */
export interface DeviceReport {
  readonly deviceId: string;
  readonly isConnected: boolean;
  readonly namespaces: readonly string[];
  readonly seenAt: Date;
  readonly waiting: number;
  /** When the oldest message that waits was sent; `null`: none waits. */
  readonly oldestAt: Date | null;
}

/** What became of a message on one device; `null` where nothing is known. */
export interface OutcomeReport {
  readonly deviceId: string | null;
  readonly state: DeliveryState | null;
  readonly at: Date | null;
  readonly reason: DeliveryReason;
}

/** A message and what became of it. */
interface MessageReport extends Omit<PastMessage, 'outcomes'> {
  readonly outcomes: readonly OutcomeReport[];
}

/** A message, and whose it is. */
export interface FoundMessage {
  readonly recipient: Recipient;
  readonly message: MessageReport;
}

/** A page of messages, and the devices of the recipient. */
export interface DeliveryReport {
  readonly messages: readonly MessageReport[];
  readonly devices: readonly DeviceReport[];
  /** `before` of the next page; `null`: there is none. */
  readonly next: number | null;
}

type Places = Pick<PresenceStore, 'placesOf'>;

interface Dependencies {
  readonly models: Models;
  readonly clock: Clock;
  readonly presence: Places;
  /** Of the users of push sites. */
  readonly sitePresence: Places;
}

/** Reports what became of the messages of a recipient. */
export class DeliveryDiagnostics {
  readonly #history: History;
  readonly #entries: Collection;
  readonly #mailboxes: Mailboxes;
  readonly #nodes: Nodes;
  readonly #clock: Clock;
  readonly #presence: Places;
  readonly #sitePresence: Places;

  constructor({ models, clock, presence, sitePresence }: Dependencies) {
    this.#history = new History(models, clock.now);
    this.#entries = models.DeliveryEntry.collection;
    this.#mailboxes = new Mailboxes(models.DeliveryRecipient);
    this.#nodes = new Nodes({ model: models.DeliveryNode, clock });
    this.#clock = clock;
    this.#presence = presence;
    this.#sitePresence = sitePresence;
  }

  async report(query: HistoryQuery): Promise<DeliveryReport> {
    const { recipient } = query;
    const mailbox = await this.#mailboxes.get(keyOf(recipient));
    const { messages, next } = await this.#history.page(query, mailbox);
    const devices = await this.#inspectAll(recipient, mailbox.devices);
    return {
      messages: messages.map((message) => toMessageReport(message, devices)),
      devices: devices.map(({ report }) => report),
      next,
    };
  }

  /** One message. @returns `undefined` for an id that is not known, or whose receipt has expired */
  async find(id: string): Promise<FoundMessage | undefined> {
    const found = await this.#history.find(id, (recipient) => this.#mailboxes.get(keyOf(recipient)));
    if (found === undefined) return undefined;
    const { recipient, mailbox, message } = found;
    const open = new Set(message.outcomes.flatMap(({ device, state }) => (isOpen(state) ? device : [])));
    const [waiting, others] = partition(mailbox.devices, ({ id: deviceId }) => open.has(deviceId));
    const inspected = await this.#inspectAll(recipient, waiting);
    const away = others.map(({ id: deviceId }) => ({ deviceId, connections: AWAY }));
    return { recipient, message: toMessageReport(message, [...inspected, ...away]) };
  }

  /** Whether a recipient has, or had, a device. */
  async hasMailbox(recipient: Recipient): Promise<boolean> {
    return (await this.#mailboxes.find([keyOf(recipient)])).size > 0;
  }

  async devices(recipient: Recipient): Promise<DeviceReport[]> {
    const { devices } = await this.#mailboxes.get(keyOf(recipient));
    return (await this.#inspectAll(recipient, devices)).map(({ report }) => report);
  }

  async #inspectAll(recipient: Recipient, devices: readonly StoredDevice[]): Promise<InspectedDevice[]> {
    const [places, heartbeats] = await Promise.all([this.#placesOf(recipient), this.#nodes.heartbeatsOf(devices)]);
    return Promise.all(devices.map((device) => this.#inspect(recipient, device, { places, heartbeats })));
  }

  /** Where the sockets of a recipient are, on all nodes. */
  #placesOf(recipient: Recipient): Promise<readonly Place[]> {
    return recipient.site === GENERAL_SITE
      ? this.#presence.placesOf(recipient.userId)
      : this.#sitePresence.placesOf(keyOf(recipient));
  }

  async #inspect(
    recipient: Recipient,
    device: StoredDevice,
    { places, heartbeats }: Observed,
  ): Promise<InspectedDevice> {
    const key = keyOf(recipient);
    const { id: deviceId } = device;
    const namespaces = places.flatMap((place) => (place.deviceId === deviceId ? place.namespace : [])).sort();
    const filter = toPendingFilter(device, { recipient: key, now: this.#clock.now() });
    const waiting = await this.#entries.countDocuments(filter, { limit: WAITING_MAX });
    const oldestAt = waiting === 0 ? null : await this.#oldest(filter);
    const heard = namespaces.filter((namespace) => namespacesOf(recipient).includes(namespace));
    const limits = heard.map(async (namespace): Promise<[string, number]> => {
      return [
        namespace,
        waiting <= WINDOW_MAX ? Number.POSITIVE_INFINITY : await this.#windowEnd(key, device, namespace),
      ];
    });
    const isConnected = namespaces.length > 0;
    return {
      deviceId,
      report: { deviceId, isConnected, namespaces, seenAt: new Date(heartbeats.seenAt(device)), waiting, oldestAt },
      connections: { namespaces, sendableUpTo: new Map(await Promise.all(limits)) },
    };
  }

  async #oldest(filter: object): Promise<Date | null> {
    const oldest = await this.#entries.findOne(filter, {
      projection: { _id: 0, createdAt: 1 },
      sort: { position: 1 },
    });
    return (oldest?.['createdAt'] as Date | undefined) ?? null;
  }

  /** The position of the last message that a device can be sent before it acknowledges something. */
  async #windowEnd(recipient: string, device: StoredDevice, namespace: string): Promise<number> {
    const filter = toPendingFilter(device, { recipient, namespace, now: this.#clock.now() });
    const last = await this.#entries.findOne(filter, {
      projection: { _id: 0, position: 1 },
      sort: { position: 1 },
      skip: WINDOW_MAX - 1,
    });
    return last === null ? Number.POSITIVE_INFINITY : Number(last['position']);
  }
}

/** What is known of the connections of a recipient. */
interface Observed {
  readonly places: readonly Place[];
  readonly heartbeats: Heartbeats;
}

interface ConnectedDevice {
  readonly deviceId: string;
  readonly connections: DeviceConnections;
}

interface InspectedDevice extends ConnectedDevice {
  readonly report: DeviceReport;
}

/** Whether the reason depends on where the device is connected now. */
const isOpen = (state: DeliveryState): boolean => state === 'queued' || state === 'sent';

function partition<T>(all: readonly T[], isFirst: (one: T) => boolean): [T[], T[]] {
  return [all.filter(isFirst), all.filter((one) => !isFirst(one))];
}

const AWAY: DeviceConnections = { namespaces: [], sendableUpTo: new Map() };

function toMessageReport({ outcomes, ...message }: PastMessage, devices: readonly ConnectedDevice[]): MessageReport {
  const reports = outcomes.map((outcome): OutcomeReport => {
    const { device: deviceId, state, at } = outcome;
    const connections = devices.find((one) => one.deviceId === deviceId)?.connections ?? AWAY;
    return { deviceId, state, at, reason: reasonOf(message.entry, outcome, connections) };
  });
  return { ...message, outcomes: [...reports, ...unknownOutcomes(reports, devices)] };
}

/** Devices of which nothing is known; none for a message that waits for the first device. */
function unknownOutcomes(known: readonly OutcomeReport[], devices: readonly ConnectedDevice[]): OutcomeReport[] {
  const reported = new Set(known.map(({ deviceId }) => deviceId));
  if (reported.has(null)) return [];
  return devices.flatMap(({ deviceId }): OutcomeReport[] =>
    reported.has(deviceId) ? [] : [{ deviceId, state: null, at: null, reason: 'NO_RECORD' }],
  );
}

/** The namespaces on which the messages of a mailbox are sent. */
const namespacesOf = ({ site }: Recipient): readonly string[] =>
  site === GENERAL_SITE ? userNamespaces : [siteNamespace(site)];

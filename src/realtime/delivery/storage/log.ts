import type { Collection, mongo } from 'mongoose';
import type { ExpiryReason } from '#shared/models/delivery.js';
import type { Models } from '#shared/models/index.js';
import type { Clock } from '../../../platform/time/clock.js';
import type { KeyedRecipient } from '../message.js';
import { type Entry, fromDocument, type StoredEntry } from './entry.js';
import type { PositionRange, Positions } from './positions.js';
import { isPosition, isTime, toSoundEntry } from './sound-entry.js';

/**
 * A message that took longer to be stored counts as failed. So every message that a caller got a success for was stored at
 * most this long after its `createdAt`.
 */
export const STORING_MAX_MS = 10_000;
/** Bodies that one read holds in memory, in characters, besides the last one. */
const READ_MAX_CHARACTERS = 2 ** 19;
/** The same for one read of many recipients. */
const WAITING_MAX_CHARACTERS = 2 ** 22;
/** Outcomes that an entry keeps: more than a user has devices. */
const OUTCOMES_MAX = 150;

type Document = mongo.Document;

/** Which entries of a log. */
export interface LogQuery {
  readonly recipient: KeyedRecipient;
  readonly namespaces: readonly string[];
  /** Those above this position, lowest first. */
  readonly after: number;
  /** Entries that already have an outcome for this device are left out. */
  readonly deviceId: string;
  readonly limit: number;
}

/** Entries in order of positions. */
export interface LogChunk {
  readonly entries: readonly Entry[];
  /** Nothing was stored above these entries. */
  readonly isLast: boolean;
}

/** Where entries wait for a device: in namespaces, above a position of each. */
export interface WaitingQuery {
  readonly recipient: KeyedRecipient;
  readonly deviceId: string;
  readonly ranges: readonly { readonly namespace: string; readonly after: number }[];
}

/** The last entry of a log. */
export interface LogEnd {
  /** 0: the log is empty. */
  readonly position: number;
  /** Unix time in milliseconds; 0 for an entry that was purged. */
  readonly createdAt: number;
  /** The node that took the call; `undefined`: not known. */
  readonly node: string | undefined;
}

/** The outcome of some entries on a device. */
export interface Outcome {
  readonly positions: readonly number[];
  /** Unix time in milliseconds. */
  readonly at: number;
  /** Absent: the device acknowledged them. */
  readonly expiry?: ExpiryReason;
}

/** The logs of all recipients in the database: one entry per message, positions without a gap. */
export class Log {
  readonly collection: Collection;
  readonly #model: object;
  readonly #clock: Clock;
  readonly #positions: Positions;
  readonly #onRead: () => void;

  /** @param onRead called for each read of messages on behalf of sockets */
  constructor(
    { models, clock, positions }: { models: Models; clock: Clock; positions: Positions },
    onRead: () => void = () => undefined,
  ) {
    this.#onRead = onRead;
    this.#model = models.DeliveryEntry;
    this.collection = models.DeliveryEntry.collection;
    this.#clock = clock;
    this.#positions = positions;
  }

  /** The last entry of a recipient. */
  async readEnd(recipient: string): Promise<LogEnd> {
    const provedAt = this.#clock.now();
    const projection = { position: 1, createdAt: 1, 'origin.node': 1 };
    const sort = { position: -1 } as const;
    const last = await this.collection.findOne({ recipient }, { projection, sort });
    const { position = 0, createdAt, origin }: Document = last ?? {};
    if (!isPosition(position)) return this.#readSoundEnd(recipient, provedAt);
    return this.#learnEnd(recipient, { position, createdAt, node: origin?.node }, provedAt);
  }

  /** The last entry that has a position: others may be above it in the order of the index. */
  async #readSoundEnd(recipient: string, provedAt: number): Promise<LogEnd> {
    const newestFirst = this.collection.find({ recipient }, { projection: { position: 1 } }).sort({ position: -1 });
    for await (const { position } of newestFirst) {
      // A list takes each of its positions.
      const positions = [position].flat().filter(isPosition);
      if (positions.length === 0) continue;
      return this.#learnEnd(recipient, { position: Math.max(...positions) }, provedAt);
    }
    return this.#learnEnd(recipient, { position: 0 }, provedAt);
  }

  #learnEnd(recipient: string, { position, createdAt, node }: Document, provedAt: number): LogEnd {
    this.#positions.forget(recipient);
    this.#positions.learn(recipient, position, provedAt);
    return {
      position,
      createdAt: isTime(createdAt) ? createdAt.getTime() : 0,
      node: typeof node === 'string' ? node : undefined,
    };
  }

  /** What a document means; `undefined`: it cannot be sent. */
  sound<T extends object>(document: object): T | undefined {
    return toSoundEntry<T>(this.#model, document);
  }

  /** The last position of a recipient; 0: none. */
  async readLast(recipient: string): Promise<number> {
    return (await this.readEnd(recipient)).position;
  }

  async read({ recipient, namespaces, after, deviceId, limit }: LogQuery): Promise<LogChunk> {
    const filter = {
      recipient: recipient.key,
      position: { $gt: after },
      namespace: { $in: [...namespaces] },
      'outcomes.device': { $ne: deviceId },
    };
    this.#onRead();
    const documents = this.collection
      .find(filter, { projection: { outcomes: 0 } })
      .sort({ position: 1 })
      .limit(limit);
    const entries: Entry[] = [];
    let count = 0;
    let characters = 0;
    for await (const document of documents) {
      count += 1;
      const stored = this.sound<StoredEntry>(document);
      if (stored === undefined) continue;
      const entry = fromDocument(stored, recipient);
      entries.push(entry);
      characters += entry.body.length;
      if (characters > READ_MAX_CHARACTERS) return { entries, isLast: false };
    }
    return { entries, isLast: count < limit };
  }

  /**
   * What waits for several devices, read together.
   * @returns entries in order of positions, by device; `undefined`: there are at least `limit` in all, or too large ones
   */
  async readWaiting(devices: readonly WaitingQuery[], limit: number): Promise<Entry[][] | undefined> {
    const branches = toScans(devices);
    this.#onRead();
    const documents = this.collection.find({ $or: branches }, { batchSize: limit }).limit(limit);
    const found = new Map<string, StoredEntry[]>();
    let count = 0;
    let characters = 0;
    for await (const document of documents) {
      const stored = this.sound<StoredEntry>(document);
      count += 1;
      characters += stored?.body?.length ?? 0;
      if (count === limit || characters > WAITING_MAX_CHARACTERS) return undefined;
      if (stored === undefined) continue;
      const own = found.get(stored.recipient);
      if (own === undefined) found.set(stored.recipient, [stored]);
      else own.push(stored);
    }
    return devices.map((device) =>
      (found.get(device.recipient.key) ?? [])
        .filter((stored) => isWaiting(stored, device))
        .sort((one, other) => one.position - other.position)
        .map((stored) => fromDocument(stored, device.recipient)),
    );
  }

  /**
   * The position after which a new device begins: everything above it was answered, or may have been, after a time.
   * @param answered positions that are known to have been answered before
   */
  async startFor(recipient: string, time: number, answered?: PositionRange): Promise<number> {
    const to = answered?.to ?? 0;
    // First, because more is stored meanwhile.
    const above = await this.#recent(recipient, time, { $gt: to });
    const below = answered && (await this.#recent(recipient, time, { $lt: answered.from }));
    const lowest = below?.lowest ?? above.lowest;
    return lowest === undefined ? (above.last ?? to) : lowest - 1;
  }

  /** Of a range, the last position and the lowest one that was created at a time or later. */
  async #recent(recipient: string, time: number, range: object): Promise<Recent> {
    const newestFirst = this.collection
      .find({ recipient, position: range }, { projection: { _id: 0, position: 1, createdAt: 1 } })
      .sort({ position: -1 });
    const recent: { last?: number; lowest?: number } = {};
    for await (const { position, createdAt } of newestFirst) {
      if (!isPosition(position)) continue;
      recent.last ??= position;
      // A purged entry has no time, and is old.
      if (createdAt !== undefined && !isTime(createdAt)) continue;
      const age = time - (createdAt?.getTime() ?? 0);
      if (age <= 0) recent.lowest = position;
      // An entry below may have been created later, if it was stored faster.
      else if (age > STORING_MAX_MS) break;
    }
    return recent;
  }

  /** The entries that were created since a time, by the clocks of the nodes that stored them. In no order. */
  async readSince(time: number): Promise<{ recipient: string; position: number; createdAt: number }[]> {
    const projection = { _id: 0, recipient: 1, position: 1, createdAt: 1 };
    const found = await this.collection.find({ createdAt: { $gte: new Date(time) } }, { projection }).toArray();
    return found.flatMap(({ recipient, position, createdAt }) =>
      typeof recipient === 'string' && isPosition(position) && isTime(createdAt)
        ? { recipient, position, createdAt: createdAt.getTime() }
        : [],
    );
  }

  /** How many entries were created from a time on and before another one. */
  countCreated(from: number, to: number): Promise<number> {
    return this.collection.countDocuments({ createdAt: { $gte: new Date(from), $lt: new Date(to) } });
  }

  /** Notes outcomes for devices. */
  async noteOutcomes(updates: readonly OutcomeUpdate[]): Promise<void> {
    const write = () => this.collection.bulkWrite(updates as never, { ordered: false });
    try {
      await write();
    } catch (error) {
      if (!isWrongType(error)) throw error;
      // One entry with outcomes that are no list would keep those of all devices from being stored.
      const isNoList = { outcomes: { $exists: true, $not: { $type: 'array' } } };
      const faulty = updates.map(({ updateMany: { filter } }) => ({
        recipient: filter.recipient,
        position: filter.position,
        ...isNoList,
      }));
      await this.collection.updateMany({ $or: faulty } as never, { $unset: { outcomes: '' } });
      await write();
    }
  }

  /** The write that notes an outcome for a device, for {@link noteOutcomes}. */
  toOutcomeUpdate(recipient: string, deviceId: string, { positions, at, expiry }: Outcome): OutcomeUpdate {
    const outcome = { device: deviceId, at: new Date(at), ...(expiry && { expiry }) };
    return {
      updateMany: {
        filter: { recipient, position: { $in: [...positions] }, 'outcomes.device': { $ne: deviceId } },
        update: { $push: { outcomes: { $each: [outcome], $slice: -OUTCOMES_MAX } } },
      },
    };
  }

  /** The message was sent by push. Devices may still acknowledge it. */
  async markPushed(id: string): Promise<void> {
    await this.collection.updateOne({ _id: id as never }, { $set: { pushedAt: new Date(this.#clock.now()) } });
  }
}

/** See {@link Log.toOutcomeUpdate}. */
interface OutcomeUpdate {
  readonly updateMany: {
    readonly filter: {
      readonly recipient: string;
      readonly position: { readonly $in: readonly number[] };
      readonly 'outcomes.device': object;
    };
    readonly update: object;
  };
}

/** Whether the database refused an update because of the type of a stored value. */
const isWrongType = (error: unknown): boolean => {
  const { writeErrors = [] } = error as { writeErrors?: { code?: number } | { code?: number }[] };
  return [writeErrors].flat().some(({ code }) => code === BAD_VALUE);
};
const BAD_VALUE = 2;

/**
 * One scan of each log, in order of positions. Of two scans the second could find an entry although the first has not found one
 * below it, which was stored between them: that one would never be sent.
 */
function toScans(devices: readonly WaitingQuery[]): object[] {
  const scans = new Map<string, { after: number; readonly namespaces: Set<string> }>();
  for (const { recipient, ranges } of devices) {
    const scan = scans.get(recipient.key) ?? { after: Number.POSITIVE_INFINITY, namespaces: new Set() };
    scans.set(recipient.key, scan);
    for (const { namespace, after } of ranges) {
      scan.namespaces.add(namespace);
      scan.after = Math.min(scan.after, after);
    }
  }
  return Array.from(scans, ([recipient, { after, namespaces }]) => ({
    recipient,
    position: { $gt: after },
    namespace: { $in: [...namespaces] },
  }));
}

/** The entries of a recipient were read for all of its devices that connect at once. */
const isWaiting = ({ namespace, position, outcomes = [] }: StoredEntry, { deviceId, ranges }: WaitingQuery): boolean =>
  ranges.some((range) => range.namespace === namespace && position > range.after) &&
  !outcomes.some(({ device }) => device === deviceId);

interface Recent {
  readonly last?: number;
  readonly lowest?: number;
}

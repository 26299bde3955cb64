import type { Collection, mongo } from 'mongoose';
import type { Models } from '#shared/models/index.js';
import type { Clock } from '../../../platform/time/clock.js';
import type { KeyedRecipient } from '../message.js';
import { type Entry, fromDocument, type StoredEntry } from './entry.js';
import type { Positions } from './positions.js';
import { isPosition, isTime, toSoundEntry } from './sound-entry.js';

/**
 * A message that took longer to be stored counts as failed. So every message that a caller got a success for was stored at
 * most this long after its `createdAt`.
 */
export const STORING_MAX_MS = 10_000;
/** Bodies that one read holds in memory, in characters, besides the last one. */
const READ_MAX_CHARACTERS = 2 ** 19;

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

/** The last entry of a log. */
export interface LogEnd {
  /** 0: the log is empty. */
  readonly position: number;
  /** Unix time in milliseconds; 0 for an entry that was purged. */
  readonly createdAt: number;
  /** The node that took the call; `undefined`: not known. */
  readonly node: string | undefined;
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

  /** Messages to send to sockets. */
  findForSockets(filter: object, options: mongo.FindOptions): mongo.FindCursor {
    this.#onRead();
    return this.collection.find(filter, options);
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
    const documents = this.findForSockets(filter, { projection: { outcomes: 0 } })
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

  /** The message was sent by push. Devices may still acknowledge it. */
  async markPushed(id: string): Promise<void> {
    await this.collection.updateOne({ _id: id as never }, { $set: { pushedAt: new Date(this.#clock.now()) } });
  }
}

import type { Models } from '#shared/models/index.js';
import { GatewayError } from '../../errors.js';
import type { Clock } from '../../platform/clock.js';
import { isDuplicateKey } from '../../platform/mongo/duplicate-key.js';
import { type Entry, keyOf, type NamedMessage } from './message.js';
import type { PositionRange, Positions } from './positions.js';

/** Entries are purged no earlier than this; see `positions.ts`. */
const PURGE_MIN_AGE_MS = 300_000;
/**
 * A message that took longer to be stored counts as failed. So what was answered was stored at most this long after the time
 * in it, which is how a new device finds what was sent after it connected.
 */
export const STORING_MAX_MS = 10_000;
/** What one read holds in memory, in characters, beside its last entry. */
const READ_MAX_CHARACTERS = 2 ** 20;
/** How often a message tries for a position that other nodes take too. */
const ATTEMPTS_MAX = 100;
/** Recipients whose last position is read at once. */
const READS_MAX = 32;

/** The log of every recipient, in the database. */
export type Log = ReturnType<typeof createLog>;

/** Which entries of a log. */
export interface LogQuery {
  readonly recipient: string;
  readonly namespaces: readonly string[];
  /** Those above this position, lowest first. */
  readonly after: number;
  /** Entries that have come to their end for this device are left out. */
  readonly deviceId: string;
  readonly limit: number;
}

interface Dependencies {
  models: Models;
  clock: Clock;
  positions: Positions;
  receiptTtlMs: number;
}

export function createLog({ models, clock, positions, receiptTtlMs }: Dependencies) {
  const { collection } = models.DeliveryEntry;

  const readEnd = async (recipient: string): Promise<LogEnd> => {
    const provedAt = clock.now();
    const projection = { position: 1, createdAt: 1 };
    const last = await collection.findOne({ recipient }, { projection, sort: { position: -1 } });
    const position = Number(last?.['position'] ?? 0);
    positions.forget(recipient);
    positions.learn(recipient, position, provedAt);
    return { position, createdAt: (last?.['createdAt'] as Date | undefined)?.getTime() ?? 0 };
  };
  const readLast = async (recipient: string): Promise<number> => (await readEnd(recipient)).position;

  /** Gives messages of one recipient the next positions. */
  const toEntries = (messages: readonly NamedMessage[], createdAt: number): Entry[] => {
    const [first] = messages;
    const last = first === undefined ? 0 : (positions.trusted(keyOf(first.recipient)) ?? 0);
    return messages.map((message, index) => toEntry(message, last + 1 + index, createdAt));
  };

  /** Stores entries. @returns for each the error that it failed with, if any */
  const insert = async (entries: readonly Entry[], ordered: boolean): Promise<(Error | undefined)[]> => {
    const documents = entries.map((entry) => toDocument(entry, { receiptTtlMs, storedAt: entry.createdAt }));
    const [only] = documents;
    try {
      // The driver takes a third less for one than for a list of one, which is what most calls come to.
      if (only !== undefined && documents.length === 1) await collection.insertOne(only as never);
      else await collection.insertMany(documents as never[], { ordered });
      return entries.map(() => undefined);
    } catch (error) {
      return failuresOf(error, entries.length, ordered);
    }
  };

  /** Stores what is left for each recipient. @returns what is left then: another node had taken a position */
  const storeOnce = async (work: readonly Work[]): Promise<Work[]> => {
    const unknown = work.filter(({ recipient }) => positions.trusted(recipient) === undefined);
    for (let start = 0; start < unknown.length; start += READS_MAX) {
      await Promise.all(unknown.slice(start, start + READS_MAX).map(({ recipient }) => readLast(recipient)));
    }
    const createdAt = clock.now();
    const startedAt = performance.now();
    const settle = async (parts: readonly Work[], ordered: boolean): Promise<void> => {
      const entries = parts.map(({ messages }) => toEntries(messages, createdAt));
      const failures = await insert(entries.flat(), ordered);
      const isLate = performance.now() - startedAt > STORING_MAX_MS;
      for (const [index, part] of parts.entries()) {
        const own = entries[index] ?? [];
        part.settle(own, failures.splice(0, own.length), isLate);
      }
    };
    // In order for each recipient; of different ones none waits for another.
    const [one, several] = [work.filter((part) => part.messages.length === 1), work.filter((part) => part.messages[1])];
    await Promise.all([one.length > 0 && settle(one, false), ...several.map((part) => settle([part], true))]);
    return work.filter(({ messages }) => messages.length > 0);
  };

  /** Finds those among messages that are stored already: the call that stored them was cut off before its answer. */
  const withoutStored = async (part: Work): Promise<void> => {
    const ids = part.messages.map(({ id }) => id as never);
    const found = await collection.find({ _id: { $in: ids } }).toArray();
    part.find(found.map((document) => fromDocument(document as unknown as StoredEntry)));
  };

  /** Of the given positions, the last and the lowest whose entry was created at a time or later. */
  const recentOf = async (
    recipient: string,
    time: number,
    range: object,
  ): Promise<{ last: number | undefined; lowest: number | undefined }> => {
    const newestFirst = collection
      .find({ recipient, position: range }, { projection: { _id: 0, position: 1, createdAt: 1 } })
      .sort({ position: -1 });
    let [last, lowest]: (number | undefined)[] = [];
    for await (const { position, createdAt } of newestFirst) {
      last ??= Number(position);
      // A purged entry has no time, and is old.
      const age = time - (createdAt === undefined ? 0 : (createdAt as Date).getTime());
      if (age <= 0) lowest = Number(position);
      // An entry below may have been created later, if it was stored faster.
      else if (age > STORING_MAX_MS) break;
    }
    return { last, lowest };
  };

  return {
    /** Stores messages, those of one recipient in order. @returns the entry of each, or the error that it failed with */
    async append(messages: readonly NamedMessage[]): Promise<(Entry | Error)[]> {
      const results = new Map<string, Entry | Error>();
      let work = toWork(messages, { positions, results });
      for (let attempt = 0; work.length > 0 && attempt < ATTEMPTS_MAX; attempt += 1) {
        work = await storeOnce(work);
        for (const part of work) positions.forget(part.recipient);
        await Promise.all(work.map(withoutStored));
        work = work.filter((part) => part.messages.length > 0);
      }
      return messages.map(({ id }) => results.get(id) ?? new GatewayError('UNAVAILABLE'));
    },

    /** The last entry of a recipient. */
    readEnd,
    /** The last position that was given to a message; 0: none. */
    readLast,

    /** Reads on. `isLast`: there was nothing above these entries. */
    async read({ recipient, namespaces, after, deviceId, limit }: LogQuery): Promise<Chunk> {
      const filter = {
        ...{ recipient, position: { $gt: after } },
        ...{ namespace: { $in: [...namespaces] }, 'ends.device': { $ne: deviceId } },
      };
      const entries: Entry[] = [];
      let characters = 0;
      const cursor = collection
        .find(filter, { projection: { ends: 0 } })
        .sort({ position: 1 })
        .limit(limit);
      for await (const document of cursor) {
        const entry = fromDocument(document as unknown as StoredEntry);
        entries.push(entry);
        characters += entry.body.length;
        if (characters > READ_MAX_CHARACTERS) return { entries, isLast: false };
      }
      return { entries, isLast: entries.length < limit };
    },

    /** How many entries of each recipient are in one of the ranges; `undefined`: too many to tell. */
    async waiting(ranges: readonly Range[], limit: number): Promise<ReadonlyMap<string, number> | undefined> {
      const branches = ranges.map(({ recipient, namespace, after }) => ({
        ...{ recipient, namespace, position: { $gt: after } },
      }));
      const found = await collection
        .find({ $or: branches }, { projection: { _id: 0, recipient: 1 } })
        .limit(limit)
        .toArray();
      const counts = new Map<string, number>();
      for (const { recipient } of found) counts.set(recipient, 1 + (counts.get(recipient) ?? 0));
      return found.length === limit ? undefined : counts;
    },

    /**
     * The position after which a new device begins: everything above it was answered, or may have been, after a time.
     * @param answered positions of which it is known that they were answered before
     */
    async positionBefore(recipient: string, time: number, answered?: PositionRange): Promise<number> {
      const to = answered?.to ?? 0;
      // First, because more is stored meanwhile.
      const above = await recentOf(recipient, time, { $gt: to });
      const below = answered && (await recentOf(recipient, time, { $lt: answered.from }));
      const lowest = below?.lowest ?? above.lowest;
      return lowest === undefined ? (above.last ?? to) : lowest - 1;
    },

    /** The highest position that was stored for each recipient since a time, by the clocks of the nodes that stored it. */
    async since(time: number): Promise<Map<string, number>> {
      const lasts = new Map<string, number>();
      const recent = collection.find(
        { createdAt: { $gte: new Date(time) } },
        { projection: { _id: 0, recipient: 1, position: 1 } },
      );
      for await (const { recipient, position } of recent) {
        lasts.set(recipient, Math.max(position, lasts.get(recipient) ?? 0));
      }
      return lasts;
    },

    /** Notes that entries have come to their end for a device. */
    toEnds: ({ recipient, deviceId }: { recipient: string; deviceId: string }, end: End) => ({
      updateMany: {
        filter: { recipient, position: { $in: [...end.positions] }, 'ends.device': { $ne: deviceId } },
        update: {
          $push: {
            ends: {
              $each: [{ device: deviceId, at: new Date(end.at), ...(end.loss && { loss: end.loss }) }],
              $slice: -ENDS_MAX,
            },
          },
        },
      },
    }),

    /** It was shown by push; devices may still acknowledge it. */
    async markPushed(id: string): Promise<void> {
      await collection.updateOne({ _id: id as never }, { $set: { pushedAt: new Date(clock.now()) } });
    },

    collection,
  };
}

/** Ends that an entry keeps: more than a user has devices. */
const ENDS_MAX = 150;

/** The last entry of a log. */
export interface LogEnd {
  /** 0: the log is empty. */
  readonly position: number;
  /** Unix time in milliseconds; 0 for an entry that was purged. */
  readonly createdAt: number;
}

interface Chunk {
  readonly entries: readonly Entry[];
  readonly isLast: boolean;
}

/** Entries of a namespace above a position. */
export interface Range {
  readonly recipient: string;
  readonly namespace: string;
  readonly after: number;
}

interface End {
  readonly positions: readonly number[];
  readonly at: number;
  readonly loss?: 'ttl';
}

/** What is still to be stored for one recipient, in order. */
interface Work {
  readonly recipient: string;
  messages: NamedMessage[];
  /** Takes what an insert came to. */
  settle(entries: readonly Entry[], failures: readonly (Error | undefined)[], isLate: boolean): void;
  /** Takes what was stored before. */
  find(stored: readonly Entry[]): void;
}

function toWork(
  messages: readonly NamedMessage[],
  { positions, results }: { positions: Positions; results: Map<string, Entry | Error> },
): Work[] {
  const byRecipient = new Map<string, NamedMessage[]>();
  for (const message of messages) {
    const recipient = keyOf(message.recipient);
    const own = byRecipient.get(recipient);
    if (own === undefined) byRecipient.set(recipient, [message]);
    else own.push(message);
  }
  return [...byRecipient].map(([recipient, own]) => ({
    recipient,
    messages: own,
    settle(entries, failures, isLate) {
      const rest: NamedMessage[] = [];
      for (const [index, entry] of entries.entries()) {
        const failure = failures[index];
        const message = this.messages[index] as NamedMessage;
        if (failure === undefined) {
          positions.learn(recipient, entry.position, entry.createdAt);
          results.set(entry.id, isLate ? new GatewayError('UNAVAILABLE') : entry);
        } else if (isDuplicateKey(failure)) {
          rest.push(message);
        } else {
          // It may be stored all the same.
          positions.forget(recipient);
          results.set(entry.id, failure);
        }
      }
      this.messages = rest;
    },
    find(stored) {
      for (const entry of stored) results.set(entry.id, entry);
      this.messages = this.messages.filter(({ id }) => !results.has(id));
    },
  }));
}

/** What a failed insert says of each document. What follows the first failure of an ordered one was not tried. */
function failuresOf(error: unknown, count: number, ordered: boolean): (Error | undefined)[] {
  const thrown = error instanceof Error ? error : new Error(String(error));
  const { writeErrors } = error as { writeErrors?: WriteError | WriteError[] };
  const failures = [writeErrors ?? []].flat();
  if (failures.length === 0) return Array.from({ length: count }, () => thrown);
  const results: (Error | undefined)[] = Array.from({ length: count }, () => undefined);
  for (const { index, code, errmsg } of failures) {
    const failure = Object.assign(new Error(errmsg), { code });
    if (ordered) results.fill(failure, index);
    else results[index] = failure;
  }
  return results;
}

interface WriteError {
  readonly index: number;
  readonly code: number;
  readonly errmsg: string;
}

const toEntry = (message: NamedMessage, position: number, createdAt: number): Entry => ({
  ...{ id: message.id, recipient: keyOf(message.recipient), position, namespace: message.namespace },
  ...{ body: JSON.stringify([message.event, ...message.args]), createdAt },
  expireAt: message.ttlMs === undefined ? null : createdAt + message.ttlMs,
  isResync: message.isResync === true,
  keepsReceipt: message.keepsReceipt === true,
  hasPush: message.push !== undefined,
});

/** An entry as the database has it. */
export interface StoredEntry {
  readonly _id: string;
  readonly recipient: string;
  readonly position: number;
  readonly namespace: string;
  readonly body?: string;
  readonly createdAt?: Date;
  readonly checkAt?: Date;
  readonly expireAt?: Date;
  readonly isResync?: boolean;
  readonly keepsReceipt?: boolean;
  readonly hasPush?: boolean;
}

/** When an entry was stored, and for how long its receipt is kept. */
interface Retention {
  readonly storedAt: number;
  readonly receiptTtlMs: number;
}

/** An entry as it is stored. */
export const toDocument = (entry: Entry, { receiptTtlMs, storedAt }: Retention): StoredEntry => ({
  ...{ _id: entry.id, recipient: entry.recipient, position: entry.position, namespace: entry.namespace },
  ...{ body: entry.body, createdAt: new Date(entry.createdAt) },
  checkAt: new Date(storedAt + PURGE_MIN_AGE_MS + (entry.keepsReceipt ? receiptTtlMs : 0)),
  ...(entry.expireAt !== null && { expireAt: new Date(entry.expireAt) }),
  ...(entry.isResync && { isResync: true }),
  ...(entry.keepsReceipt && { keepsReceipt: true }),
  ...(entry.hasPush && { hasPush: true }),
});

/** An entry as it was stored. Of one that was purged, only its place is left. */
const fromDocument = ({ _id: id, checkAt: _, createdAt, expireAt, ...document }: StoredEntry): Entry => ({
  ...{ id, recipient: document.recipient, position: document.position, namespace: document.namespace },
  ...{ body: document.body ?? '[]', createdAt: createdAt?.getTime() ?? 0, expireAt: expireAt?.getTime() ?? null },
  isResync: document.isResync === true,
  keepsReceipt: document.keepsReceipt === true,
  hasPush: document.hasPush === true,
});

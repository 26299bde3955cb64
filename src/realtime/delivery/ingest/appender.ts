import { GatewayError } from '../../../errors.js';
import { isDuplicateKey } from '../../../platform/mongo/duplicate-key.js';
import type { Clock } from '../../../platform/time/clock.js';
import { type IdentifiedMessage, type KeyedRecipient, keyOf, withKey } from '../message.js';
import { type Entry, fromDocument, type StoredEntry, toDocument, toEntry } from '../storage/entry.js';
import { type Log, STORING_MAX_MS } from '../storage/log.js';
import type { Positions } from '../storage/positions.js';
import type { Leaders } from './leaders.js';

/** How often a message is inserted again after another node has taken its position. */
const ATTEMPTS_MAX = 100;
/** Recipients whose last position is read at a time. */
const READS_MAX = 32;

interface Dependencies {
  readonly log: Log;
  readonly positions: Positions;
  readonly leaders: Pick<Leaders, 'noteTaken'>;
  readonly clock: Clock;
  readonly receiptTtlMs: number;
}

/** What is still to be stored for one recipient, in order. */
interface Queue {
  readonly recipient: KeyedRecipient;
  messages: readonly IdentifiedMessage[];
  /** The last insert found the id of a message, or may have. */
  hasStored: boolean;
}

/** What became of messages, by id. */
type Results = Map<string, Entry | Error>;

/**
 * Stores messages at the end of the logs. A message is inserted at the position after the last one that this node knows. If
 * another node has taken that position the unique index refuses it, and it is inserted again after the new last position. So
 * position n + 1 is only stored once n is.
 */
export class Appender {
  readonly #log: Log;
  readonly #positions: Positions;
  readonly #leaders: Dependencies['leaders'];
  readonly #clock: Clock;
  readonly #receiptTtlMs: number;

  constructor({ log, positions, leaders, clock, receiptTtlMs }: Dependencies) {
    this.#log = log;
    this.#positions = positions;
    this.#leaders = leaders;
    this.#clock = clock;
    this.#receiptTtlMs = receiptTtlMs;
  }

  /** Stores messages, those of one recipient in order. @returns for each its entry, or the error that it failed with */
  async append(messages: readonly IdentifiedMessage[]): Promise<(Entry | Error)[]> {
    const results: Results = new Map();
    let queues = toQueues(messages);
    for (let attempt = 0; queues.length > 0 && attempt < ATTEMPTS_MAX; attempt += 1) {
      await this.#insertAll(queues, results);
      const refused = queues.filter(isNotEmpty);
      await Promise.all(refused.map((queue) => unlessFailed(queue, results, this.#lookAgain(queue, results))));
      queues = refused.filter(isNotEmpty);
    }
    return messages.map(({ id }) => results.get(id) ?? new GatewayError('UNAVAILABLE'));
  }

  /** Messages of one recipient are inserted in order. No recipient with several messages delays another. */
  async #insertAll(queues: readonly Queue[], results: Results): Promise<void> {
    const lasts = await this.#lastsOf(queues, results);
    const [single, several] = [queues.filter(({ messages }) => messages.length === 1), queues.filter(hasSeveral)];
    await Promise.all([
      single.length > 0 && this.#insert(single, { lasts, isOrdered: false, results }),
      ...several.map((queue) => this.#insert([queue], { lasts, isOrdered: true, results })),
    ]);
  }

  /** The last positions of recipients, read where they are not known. */
  async #lastsOf(queues: readonly Queue[], results: Results): Promise<ReadonlyMap<string, number>> {
    const lasts = new Map<string, number>();
    const unknown: Queue[] = [];
    for (const queue of queues) {
      const { key } = queue.recipient;
      const last = this.#positions.trusted(key);
      if (last === undefined) unknown.push(queue);
      else lasts.set(key, last);
    }
    for (let start = 0; start < unknown.length; start += READS_MAX) {
      const reads = unknown.slice(start, start + READS_MAX).map((queue) => {
        const { key } = queue.recipient;
        const reading = this.#log.readLast(key).then((last) => lasts.set(key, last));
        return unlessFailed(queue, results, reading);
      });
      await Promise.all(reads);
    }
    return lasts;
  }

  async #insert(queues: readonly Queue[], { lasts, isOrdered, results }: Insertion): Promise<void> {
    const createdAt = this.#clock.now();
    const startedAt = performance.now();
    const entries = queues.map(({ recipient, messages }) => {
      const last = lasts.get(recipient.key) ?? 0;
      return messages.map((message, index) => toEntry(message, { recipient, position: last + 1 + index, createdAt }));
    });
    const failures = await this.#write(entries.flat(), isOrdered);
    const isLate = performance.now() - startedAt > STORING_MAX_MS;
    for (const [index, queue] of queues.entries()) {
      const own = entries[index] ?? [];
      this.#settle(queue, { entries: own, failures: failures.splice(0, own.length), isLate, results });
    }
  }

  /** @returns for each entry the error that it failed with, if any */
  async #write(entries: readonly Entry[], isOrdered: boolean): Promise<(Error | undefined)[]> {
    const documents = entries.map((entry) =>
      toDocument(entry, { storedAt: entry.createdAt, receiptTtlMs: this.#receiptTtlMs }),
    );
    const [first] = documents;
    try {
      // Most inserts have one document, for which `insertOne` takes the driver a third less time than `insertMany`.
      if (documents.length === 1) await this.#log.collection.insertOne(first as never);
      else await this.#log.collection.insertMany(documents as never[], { ordered: isOrdered });
      return entries.map(() => undefined);
    } catch (error) {
      return failuresOf(error, entries.length, isOrdered);
    }
  }

  /** Leaves in the queue the messages whose positions were taken. */
  #settle(queue: Queue, { entries, failures, isLate, results }: Inserted): void {
    const { key } = queue.recipient;
    queue.messages = queue.messages.filter((_message, index) => {
      const [entry, failure] = [entries[index] as Entry, failures[index]];
      if (failure === undefined) {
        this.#positions.learn(key, entry.position, entry.createdAt);
        results.set(entry.id, isLate ? new GatewayError('UNAVAILABLE') : entry);
      } else if (isDuplicateKey(failure)) {
        // An insert at a later position finds an id that this one did not.
        queue.hasStored ||= isDuplicateKey(failure, '_id');
        return true;
      } else {
        // It may have been stored nevertheless.
        this.#positions.forget(key);
        results.set(entry.id, failure);
      }
      return false;
    });
  }

  /** Finds out why an insert was refused: the message is stored already, or another node has taken its position. */
  async #lookAgain(queue: Queue, results: Results): Promise<void> {
    const { recipient } = queue;
    const { length } = queue.messages;
    if (queue.hasStored) await this.#takeStored(queue, results);
    queue.hasStored = false;
    if (queue.messages.length === 0) return;
    const { node } = await this.#log.readEnd(recipient.key);
    if (node !== undefined && queue.messages.length === length) void this.#leaders.noteTaken(recipient, node);
  }

  /** Takes out of the queue what an earlier call has stored whose response was lost. */
  async #takeStored(queue: Queue, results: Results): Promise<void> {
    const ids = queue.messages.map(({ id }) => id as never);
    const found = await this.#log.collection.find({ _id: { $in: ids }, recipient: queue.recipient.key }).toArray();
    for (const document of found) {
      const stored = this.#log.sound<StoredEntry>(document);
      if (stored !== undefined) results.set(stored._id, fromDocument(stored, queue.recipient));
    }
    queue.messages = queue.messages.filter(({ id }) => !results.has(id));
  }
}

interface Insertion {
  readonly lasts: ReadonlyMap<string, number>;
  readonly isOrdered: boolean;
  readonly results: Results;
}

interface Inserted {
  readonly entries: readonly Entry[];
  readonly failures: readonly (Error | undefined)[];
  readonly isLate: boolean;
  readonly results: Results;
}

/** The failure of a read concerns one recipient only: the messages of others may be stored already, and have to be announced. */
async function unlessFailed(queue: Queue, results: Results, reading: Promise<unknown>): Promise<void> {
  try {
    await reading;
  } catch (error) {
    for (const { id } of queue.messages) results.set(id, error as Error);
    queue.messages = [];
  }
}

const isNotEmpty = ({ messages }: Queue): boolean => messages.length > 0;
const hasSeveral = ({ messages }: Queue): boolean => messages.length > 1;

function toQueues(messages: readonly IdentifiedMessage[]): Queue[] {
  const queues = new Map<string, Queue & { messages: IdentifiedMessage[] }>();
  for (const message of messages) {
    const key = keyOf(message.recipient);
    const queue = queues.get(key);
    if (queue === undefined)
      queues.set(key, { recipient: withKey(message.recipient), messages: [message], hasStored: false });
    else queue.messages.push(message);
  }
  return [...queues.values()];
}

interface WriteError {
  readonly index: number;
  readonly code: number;
  readonly errmsg: string;
}

/** What a failed insert says of each document. Those behind the first failure of an ordered one were not tried. */
function failuresOf(error: unknown, count: number, isOrdered: boolean): (Error | undefined)[] {
  const { writeErrors } = error as { writeErrors?: WriteError | WriteError[] };
  const failures = [writeErrors ?? []].flat();
  if (failures.length === 0) {
    const thrown = error instanceof Error ? error : new Error(String(error));
    return Array.from({ length: count }, () => thrown);
  }
  const results: (Error | undefined)[] = Array.from({ length: count }, () => undefined);
  for (const { index, code, errmsg } of failures) {
    const failure = Object.assign(new Error(errmsg), { code });
    if (isOrdered) results.fill(failure, index);
    else results[index] = failure;
  }
  return results;
}

import type { Collection } from 'mongoose';
import type { Models } from '#shared/models/index.js';
import { GENERAL_SITE, keyOf, parseRecipient, type Recipient } from '../message.js';
import { PURGED } from '../storage/entry.js';
import type { Mailbox } from '../storage/mailbox.js';
import {
  type DeliveryState,
  type DeviceOutcome,
  furthestOf,
  type LoggedEntry,
  outcomesOf,
} from '../storage/outcomes.js';
import { toSoundEntry } from '../storage/sound-entry.js';

/** Entries of one read; more than most pages need. */
const CHUNK = 200;
/** Entries that one page searches. */
const SEARCHED_MAX = 2000;
/** Length of the JSON that holds the name of an event: 128 characters, at most two for each, and punctuation. */
const HEAD_MAX = 300;
/** Times of entries are those of several nodes, so they follow the order of positions only within this. */
const CLOCK_SKEW_MS = 60_000;

/** A message without its content, and what became of it. */
export interface PastMessage {
  readonly id: string;
  readonly event: string;
  readonly entry: LoggedEntry;
  readonly outcomes: readonly DeviceOutcome[];
  /** The furthest that any device got. */
  readonly state: DeliveryState;
}

/** Which messages, and where the page begins. */
export interface HistoryQuery {
  readonly recipient: Recipient;
  readonly event?: string | undefined;
  /** At least one device is in this state. */
  readonly state?: DeliveryState | undefined;
  /** Unix time in milliseconds. */
  readonly since?: number | undefined;
  readonly limit: number;
  /** `next` of the page before. */
  readonly before?: number | undefined;
}

/** A page of messages. */
export interface HistoryPage {
  readonly messages: readonly PastMessage[];
  /** `before` of the next page; `null`: there is none. */
  readonly next: number | null;
}

/** The messages that were sent to a recipient. Of their contents only the name of the event is read. */
export class History {
  readonly #model: object;
  readonly #collection: Collection;
  readonly #now: () => number;

  /** @param now Unix time in milliseconds */
  constructor({ DeliveryEntry }: Pick<Models, 'DeliveryEntry'>, now: () => number) {
    this.#model = DeliveryEntry;
    this.#collection = DeliveryEntry.collection;
    this.#now = now;
  }

  /** Newest first. Of messages without a receipt, as on push sites, only those that wait or have expired are found. */
  async page(query: HistoryQuery, mailbox: Mailbox): Promise<HistoryPage> {
    const { recipient, since = 0, limit, before = Number.MAX_SAFE_INTEGER } = query;
    const messages: PastMessage[] = [];
    let position = before;
    for (let searched = 0; searched < SEARCHED_MAX; ) {
      const { chunk, count } = await this.#read(recipient, position, mailbox);
      for (const message of chunk) {
        if (message.entry.createdAt.getTime() < since - CLOCK_SKEW_MS) return { messages, next: null };
        if (isMatch(message, query)) {
          if (messages.length === limit) return { messages, next: position };
          messages.push(message);
        }
        position = message.entry.position;
      }
      if (count < CHUNK || chunk.length === 0) return { messages, next: null };
      searched += count;
    }
    return { messages, next: position };
  }

  /** @param mailboxOf reads the mailbox of its recipient @returns `undefined`: not known, or purged */
  async find(id: string, mailboxOf: (recipient: Recipient) => Promise<Mailbox>) {
    const filter = { _id: id as never, namespace: { $ne: PURGED } };
    const document = await this.#collection.findOne(filter, { projection: { ...projection, recipient: 1 } });
    if (document === null) return undefined;
    const recipient = parseRecipient(String(document['recipient']));
    const stored = toSoundEntry<StoredPast>(this.#model, document);
    if (recipient === undefined || stored === undefined) return undefined;
    const mailbox = await mailboxOf(recipient);
    return { recipient, mailbox, message: this.#toPast(stored, mailbox) };
  }

  /** @returns entries, and how many documents were read */
  async #read(recipient: Recipient, before: number, mailbox: Mailbox) {
    const filter = { recipient: keyOf(recipient), position: { $lt: before }, namespace: { $ne: PURGED } };
    const found = await this.#collection.find(filter, { projection, sort: { position: -1 }, limit: CHUNK }).toArray();
    const chunk = found.flatMap((document) => {
      const stored = toSoundEntry<StoredPast>(this.#model, document);
      return stored === undefined ? [] : this.#toPast(stored, mailbox);
    });
    return { chunk, count: found.length };
  }

  #toPast({ _id: id, head, recipient: _, ...entry }: StoredPast, mailbox: Mailbox): PastMessage {
    const outcomes = outcomesOf(entry, mailbox, this.#now());
    return { id, event: eventOf(head), entry, outcomes, state: furthestOf(outcomes) };
  }
}

/** What {@link projection} leaves of an entry. */
type StoredPast = LoggedEntry & { readonly _id: string; readonly head: string; readonly recipient?: string };

const projection = {
  position: 1,
  namespace: 1,
  keepsReceipt: 1,
  createdAt: 1,
  expireAt: 1,
  hasPush: 1,
  pushedAt: 1,
  outcomes: 1,
  requestId: 1,
  origin: 1,
  head: { $cond: [{ $eq: [{ $type: '$body' }, 'string'] }, { $substrCP: ['$body', 0, HEAD_MAX] }, ''] },
};

const isMatch = ({ event, outcomes, entry }: PastMessage, query: HistoryQuery): boolean =>
  (query.event === undefined || event === query.event) &&
  (query.state === undefined || outcomes.some(({ state }) => state === query.state)) &&
  (query.recipient.site === GENERAL_SITE || outcomes.length > 0) &&
  entry.createdAt.getTime() >= (query.since ?? 0);

/** The first element of a JSON array that may be cut off behind it; `''` for what is none. */
function eventOf(head: string): string {
  const [, text = '""'] = /^\[("(?:[^"\\]|\\.)*")/.exec(head) ?? [];
  try {
    return JSON.parse(text) as string;
  } catch {
    return '';
  }
}

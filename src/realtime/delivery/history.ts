import type { Collection } from 'mongoose';
import type { Loss } from '#shared/models/delivery.js';
import type { Models } from '#shared/models/index.js';
import { STATES } from './mailbox.js';
import { GENERAL_SITE, keyOf, type Recipient } from './message.js';

/** Entries of one read; more than one message has. */
const CHUNK = 200;
/** Entries that one page looks at for those that are asked for. */
const LOOKED_MAX = 2000;
/** The beginning of a body as JSON, as far as the name of an event reaches: 128 characters, two for each at the most. */
const HEAD_MAX = 300;
/** Nodes do not agree on the time to the second, so the order of the numbers is not quite that of the times. */
const CLOCK_SKEW_MS = 60_000;

/** The state of an entry. */
export type EntryState = (typeof STATES)[number];

/** One message for one device, without its content. */
export interface PastEntry {
  readonly message: string;
  /** `null`: no device was known. */
  readonly device: string | null;
  readonly seq: number;
  readonly namespace: string;
  readonly event: string;
  readonly state: EntryState;
  readonly loss: Loss | undefined;
  readonly keepsReceipt: boolean;
  readonly at: Date;
  readonly createdAt: Date;
  readonly expireAt: Date | undefined;
}

/** A message with its entries, of which there is at least one. */
export interface PastMessage {
  readonly first: PastEntry;
  readonly entries: readonly PastEntry[];
  /** The furthest that any device got. */
  readonly state: EntryState;
}

/** Which messages, and where their page begins. */
export interface HistoryQuestion {
  readonly recipient: Recipient;
  /** The devices that messages are kept for. */
  readonly devices: readonly string[];
  readonly event?: string | undefined;
  /** At least one device is in this state. */
  readonly state?: EntryState | undefined;
  /** Unix time in milliseconds. */
  readonly since?: number | undefined;
  readonly limit: number;
  /** The position of an earlier page. */
  readonly before?: number | undefined;
}

/** A page of messages; `next` is where the next one begins, `null` when there is none. */
export interface HistoryPage {
  readonly messages: readonly PastMessage[];
  readonly next: number | null;
}

/**
 * Reads what was sent to a recipient, newest first: what keeps a receipt by an index of its own; what does not, as on push
 * sites, as long as it waits, by the index of the queues. Contents are not read, but for the name of the event.
 */
export function createHistory({ DeliveryEntry }: Pick<Models, 'DeliveryEntry'>) {
  const { collection } = DeliveryEntry;

  const read = async ({ recipient, devices }: HistoryQuestion, before: number): Promise<Chunk> => {
    const key = keyOf(recipient);
    const queues = recipient.site === GENERAL_SITE ? [] : [...devices, null];
    const found = await Promise.all([
      readFrom(collection, { recipient: key, keepsReceipt: true, seq: { $lt: before } }),
      ...queues.map((device) =>
        readFrom(collection, { recipient: key, device, isPending: true, seq: { $lt: before } }),
      ),
    ]);
    // Of what lies below the end of a read that was cut off, something may be missing.
    const ends = found.flatMap((entries) => (entries.length < CHUNK ? [] : (entries.at(-1)?.seq ?? [])));
    const end = Math.max(Number.NEGATIVE_INFINITY, ...ends);
    const entries = found.flat().filter(({ seq }) => seq > end);
    return { messages: toMessages(entries), looked: entries.length, isLast: ends.length === 0 };
  };

  return {
    async page(question: HistoryQuestion): Promise<HistoryPage> {
      const { event, state, since = 0, limit, before = Number.MAX_SAFE_INTEGER } = question;
      const isWanted = ({ first, entries }: PastMessage): boolean =>
        (event === undefined || first.event === event) &&
        (state === undefined || entries.some((entry) => entry.state === state)) &&
        first.createdAt.getTime() >= since;
      const messages: PastMessage[] = [];
      let position = before;
      for (let looked = 0; looked < LOOKED_MAX; ) {
        const chunk = await read(question, position);
        for (const message of chunk.messages) {
          if (message.first.createdAt.getTime() < since - CLOCK_SKEW_MS) return { messages, next: null };
          if (isWanted(message)) {
            if (messages.length === limit) return { messages, next: position };
            messages.push(message);
          }
          position = message.first.seq;
        }
        if (chunk.isLast) return { messages, next: null };
        looked += chunk.looked;
      }
      return { messages, next: position };
    },
  };
}

interface Chunk {
  readonly messages: readonly PastMessage[];
  readonly looked: number;
  /** There is nothing before it. */
  readonly isLast: boolean;
}

async function readFrom(collection: Collection, filter: Record<string, unknown>): Promise<PastEntry[]> {
  const head = { $substrCP: ['$body', 0, HEAD_MAX] };
  const documents = await collection
    .find(filter, { projection: { ...projection, head }, sort: { seq: -1 }, limit: CHUNK })
    .toArray();
  return documents.map((document) => toEntry(document as unknown as StoredEntry));
}

const projection = {
  ...{ _id: 0, message: 1, device: 1, seq: 1, namespace: 1, state: 1, loss: 1 },
  ...{ keepsReceipt: 1, at: 1, createdAt: 1, expireAt: 1 },
};

type StoredEntry = Omit<PastEntry, 'event' | 'keepsReceipt'> & { head: string; keepsReceipt?: boolean };

const toEntry = ({ head, keepsReceipt = false, ...entry }: StoredEntry): PastEntry => ({
  ...entry,
  keepsReceipt,
  event: eventOf(head),
});

/** The first element of a list in JSON that may be cut off after it. */
function eventOf(head: string): string {
  const [, text = '""'] = /^\[("(?:[^"\\]|\\.)*")/.exec(head) ?? [];
  return JSON.parse(text) as string;
}

/** Entries by the number that they share, highest first. */
function toMessages(entries: readonly PastEntry[]): PastMessage[] {
  const bySeq = new Map<number, PastEntry[]>();
  for (const entry of entries) {
    const known = bySeq.get(entry.seq);
    if (known === undefined) bySeq.set(entry.seq, [entry]);
    else known.push(entry);
  }
  return [...bySeq]
    .sort(([a], [b]) => b - a)
    .flatMap(([, own]) => {
      const [first] = own;
      const state = STATES.find((candidate) => own.some((entry) => entry.state === candidate)) ?? 'queued';
      return first === undefined ? [] : [{ first, entries: own, state }];
    });
}

import type { Models } from '#shared/models/index.js';
import { type EntryState, type Fate, fatesOf, type LoggedEntry, stateOf } from './fates.js';
import type { Mailbox } from './mailboxes.js';
import { GENERAL_SITE, keyOf, PURGED, type Recipient } from './message.js';

/** Entries of one read; more than most pages need. */
const CHUNK = 200;
/** Entries that one page looks at for those that are asked for. */
const LOOKED_MAX = 2000;
/** The beginning of a body as JSON, as far as the name of an event reaches: 128 characters, two for each at the most. */
const HEAD_MAX = 300;
/** Nodes do not agree on the time to the second, so the order of the positions is not quite that of the times. */
const CLOCK_SKEW_MS = 60_000;

/** A message without its content, and what it came to. */
export interface PastMessage extends LoggedEntry {
  readonly id: string;
  readonly event: string;
  readonly fates: readonly Fate[];
  /** The furthest that any device got. */
  readonly state: EntryState;
}

/** Which messages, and where their page begins. */
export interface HistoryQuestion {
  readonly recipient: Recipient;
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
 * Reads what was sent to a recipient, newest first. Of what leaves no receipt, as on push sites, only that is found which
 * waits or was lost. Contents are not read, but for the name of the event.
 * @param now Unix time in milliseconds
 */
export function createHistory({ DeliveryEntry }: Pick<Models, 'DeliveryEntry'>, now: () => number) {
  const { collection } = DeliveryEntry;

  const read = async (recipient: Recipient, before: number, mailbox: Mailbox): Promise<PastMessage[]> => {
    const found = await collection
      .find(
        { recipient: keyOf(recipient), position: { $lt: before }, namespace: { $ne: PURGED } },
        { projection, sort: { position: -1 }, limit: CHUNK },
      )
      .toArray();
    return found.map((document) => {
      const { _id: id, head, ...entry } = document as unknown as StoredEntry;
      const fates = fatesOf(entry, mailbox, now());
      return { ...entry, id, event: eventOf(head), fates, state: stateOf(fates) };
    });
  };

  return {
    async page({ recipient, ...question }: HistoryQuestion, mailbox: Mailbox): Promise<HistoryPage> {
      const { event, state, since = 0, limit, before = Number.MAX_SAFE_INTEGER } = question;
      const isWanted = (message: PastMessage): boolean =>
        (event === undefined || message.event === event) &&
        (state === undefined || message.fates.some((fate) => fate.state === state)) &&
        (recipient.site === GENERAL_SITE || message.fates.length > 0) &&
        message.createdAt.getTime() >= since;
      const messages: PastMessage[] = [];
      let position = before;
      for (let looked = 0; looked < LOOKED_MAX; ) {
        const chunk = await read(recipient, position, mailbox);
        for (const message of chunk) {
          if (message.createdAt.getTime() < since - CLOCK_SKEW_MS) return { messages, next: null };
          if (isWanted(message)) {
            if (messages.length === limit) return { messages, next: position };
            messages.push(message);
          }
          position = message.position;
        }
        if (chunk.length < CHUNK) return { messages, next: null };
        looked += chunk.length;
      }
      return { messages, next: position };
    },
  };
}

const projection = {
  ...{ position: 1, namespace: 1, keepsReceipt: 1, createdAt: 1, expireAt: 1, pushedAt: 1, ends: 1 },
  head: { $substrCP: ['$body', 0, HEAD_MAX] },
};

type StoredEntry = LoggedEntry & { readonly _id: string; readonly head: string };

/** The first element of a list in JSON that may be cut off after it. */
function eventOf(head: string): string {
  const [, text = '""'] = /^\[("(?:[^"\\]|\\.)*")/.exec(head) ?? [];
  return JSON.parse(text) as string;
}

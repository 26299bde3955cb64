import type { Entry } from './message.js';

/** Entries are told with their content up to this size; beyond it the other nodes look themselves. */
const HINT_MAX_BYTES = 65_536;

/** What the other nodes are told of a message. */
export interface Hint {
  readonly recipient: string;
  /** The highest number of its entries. */
  readonly last: number;
  /** None when they would be too much to tell. */
  readonly entries: readonly Entry[];
}

export function toHint(entries: readonly [Entry, ...Entry[]]): Hint {
  const [first] = entries;
  const isSmall = first.body.length * entries.length <= HINT_MAX_BYTES;
  return { recipient: first.recipient, last: first.seq, entries: isSmall ? entries : [] };
}

import type { Entry } from './message.js';

/** Entries are told with their content up to this size; beyond it the other nodes read them. */
const CONTENT_MAX_BYTES = 65_536;

/** What the other nodes are told of new entries: the entry, or where it is. */
export type Hint = Entry | Pick<Entry, 'recipient' | 'position' | 'createdAt'>;

/** @returns hints in groups that are small enough to be told at once */
export function toHints(entries: readonly Entry[]): Hint[][] {
  const groups: Hint[][] = [];
  let bytes = Number.POSITIVE_INFINITY;
  for (const entry of entries) {
    const { recipient, position, createdAt, body } = entry;
    const hint = body.length > CONTENT_MAX_BYTES ? { recipient, position, createdAt } : entry;
    bytes += hint === entry ? body.length : 0;
    if (bytes > CONTENT_MAX_BYTES) {
      groups.push([]);
      bytes = hint === entry ? body.length : 0;
    }
    groups.at(-1)?.push(hint);
  }
  return groups;
}

/** Whether a hint holds the entry itself. */
export const isEntry = (hint: Hint): hint is Entry => 'body' in hint;

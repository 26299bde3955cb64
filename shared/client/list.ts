import { type Change, changed, type Items, LiveView, type View, type ViewSource } from './live-view.js';

/** Entries on one page. */
export const PAGE = 50;
/** Pages that are read again at once. What lies behind them is dropped, and read again by `more`. */
const PAGES_MAX = 10;

/** An entry of a list. */
interface Entry {
  readonly _id: string;
}

/** Where the entries of a list come from. */
export interface ListSource<T> extends ViewSource<T> {
  /** The first page, or the one behind these entries. */
  read(shown: readonly T[]): Promise<Items<T>>;
  /** The order of the server: below 0 when `one` comes first. */
  compare(one: T, other: T): number;
  /** Keeps of a shown entry what a read does not have yet, because the server sends a change before it stores all of it. */
  keep?(shown: T, read: T): T;
}

/** The first entries of a list without a gap, as the server has them. */
export interface LiveList<T> extends View {
  /** In the order of the server. A new list at each change. */
  readonly items: readonly T[];
  readonly hasMore: boolean;
  /** Reads one more page. @throws GatewayClientError */
  more(): Promise<void>;
}

/** Shows the first entries of a list and keeps them equal to those of the server. */
export function createList<T extends Entry>(source: ListSource<T>): LiveList<T> {
  const { read, compare, keep = (_shown, entry) => entry } = source;
  const inOrder = (items: readonly T[]): readonly T[] => [...items].sort(compare);
  const merged = (shown: readonly T[], entries: readonly T[]): T[] => {
    const known = new Map(shown.map((entry) => [entry._id, entry]));
    return entries.map((entry) => {
      const before = known.get(entry._id);
      return before === undefined ? entry : keep(before, entry);
    });
  };
  /** Pages that are shown. */
  let pages = 1;
  return new LiveView<T>(
    {
      ...source,
      listen: (live) => source.listen({ ...live, apply: (change) => live.apply((items) => inOrder(change(items))) }),
    },
    {
      async more(shown) {
        const { items, hasMore } = await read(shown);
        pages += 1;
        return (now) => ({ items: inOrder(joined(now, merged(now, items))), hasMore });
      },
      async again() {
        let found: Items<T> = { items: [], hasMore: true };
        pages = Math.min(pages, PAGES_MAX);
        for (let page = 0; page < pages && found.hasMore; page += 1) {
          const { items, hasMore } = await read(found.items);
          // An entry that moved to the front between two pages comes twice.
          found = { items: joined(found.items, items), hasMore };
        }
        const { items, hasMore } = found;
        return (now) => ({ items: inOrder(merged(now, items)), hasMore });
      },
    },
  );
}

/** Entries and those behind them, each once, as it was read last. */
function joined<T extends Entry>(entries: readonly T[], more: readonly T[]): T[] {
  return [...new Map([...entries, ...more].map((entry) => [entry._id, entry])).values()];
}

/**
 * An entry has come, whole. Of a new one that sorts behind those that are shown nothing is known of the entries between: it is
 * left out, and comes with its page.
 * @param known what becomes of an entry that is shown already
 */
export const placed =
  <T extends Entry>(entry: T, compare: (one: T, other: T) => number, known = (_shown: T): T => entry): Change<T> =>
  (items) => {
    const last = items.at(-1);
    if (items.some(({ _id }) => _id === entry._id)) return changed(entry._id, known)(items);
    return last === undefined || compare(entry, last) < 0 ? [...items, entry] : items;
  };

/** An entry is not in the list any more. */
export const removed =
  <T extends Entry>(id: string): Change<T> =>
  (items) =>
    items.filter(({ _id }) => _id !== id);

/** Orders texts, the last first. */
export const descending = (one: string, other: string): number => (one > other ? -1 : one < other ? 1 : 0);

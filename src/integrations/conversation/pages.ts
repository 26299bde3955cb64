import type { Amounts } from '#shared/contracts/costs.js';
import { invalid } from '../../errors.js';
import { storedValue } from '../../models/index.js';
import { type Bounds, type Position, type Range, rangesAfter, readRanges } from '../../platform/mongo/keyset.js';
import type { Clock } from '../../platform/time/clock.js';

/** A paged list in a descending, total order. */
interface OrderedList<T extends object> {
  /** Pays for entries that are skipped. @throws GatewayError `RATE_LIMITED` */
  readonly pay: (amounts: Amounts) => Promise<void>;
  /** Identifies the list: the socket that pages through it, and its filters. */
  readonly key: string;
  /** The sort fields. */
  readonly order: readonly (keyof T & string)[];
  /** Reads entries in that order. @param range an additional driver filter; values are not cast */
  readonly read: (range: Range, bounds: Bounds) => Promise<T[]>;
  /** The list begins after this entry; absent: with the first entry. */
  readonly start?: Position | undefined;
  /** Size of an entry; absent: not limited. A page stays below {@link PAGE_SIZE_MAX}. */
  sizeOf?(entry: T): number;
}

/** Maximum size of the messages of one answer. A connection with much more buffered counts as a slow client and is closed. */
const PAGE_SIZE_MAX = 200_000;

/** The leading entries that fit in one page; at least one. */
export function takeFitting<T>(
  entries: readonly T[],
  sizeOf: (entry: T) => number,
  sizeMax: number = PAGE_SIZE_MAX,
): T[] {
  let size = 0;
  const end = entries.findIndex((entry, index) => {
    size += sizeOf(entry);
    return size > sizeMax && index > 0;
  });
  return end === -1 ? [...entries] : entries.slice(0, end);
}

/** One page. */
interface Page<T extends object> {
  readonly items: T[];
  readonly hasNext: boolean;
  /** Entries of earlier pages that were not read again. */
  readonly before: number;
  /** Ends the page after an earlier entry: the next one begins behind it. */
  endAfter(entry: T): void;
}

/** Reads pages by page number. */
export interface Pages {
  /** @throws GatewayError `VALIDATION_ERROR` for a page too far from the remembered ones */
  read<T extends object>(list: OrderedList<T>, bounds: { page: number; limit: number }): Promise<Page<T>>;
}

/** Where a page begins. */
interface Start {
  readonly after: Position;
  /** Entries before it. */
  readonly count: number;
}

/** Lists remembered on this node; least recently used lists are dropped. */
const LISTS_MAX = 5000;
/** Cursors remembered for each list: paging continues from the last one, and can go back a little. */
const POSITIONS_MAX = 50;
const REMEMBERED_MS = 600_000;
/** Entries that a jump may skip, because each costs. To go further, page through the list or narrow it. */
const SKIPPED_MAX = 10_000;

/**
 * Page numbers at the cost of a cursor. The end of every page is remembered for a while, so the next page is an index range
 * wherever it lies, and a socket that pages through a list sees every entry once, even while new ones arrive at the head.
 * Page one starts over. A jump to an unread page skips over the index, up to a limit.
 */
export function createPages(clock: Clock): Pages {
  const remembered = new Map<string, { positions: Map<number, Start>; usedAt: number }>();

  const positionsOf = (key: string, isFirstPage: boolean): Map<number, Start> => {
    const found = remembered.get(key);
    const isFresh = found !== undefined && !isFirstPage && clock.now() - found.usedAt <= REMEMBERED_MS;
    const positions = isFresh ? found.positions : new Map<number, Start>();
    remembered.delete(key);
    remembered.set(key, { positions, usedAt: clock.now() });
    for (const oldest of remembered.keys()) {
      if (remembered.size <= LISTS_MAX) break;
      remembered.delete(oldest);
    }
    return positions;
  };

  return {
    async read(list, { page, limit }) {
      const offset = (page - 1) * limit;
      const positions = positionsOf(list.key, page === 1);
      const start = positions.get(page);
      // One more than asked for shows whether there is a next page.
      const found =
        start === undefined
          ? await jump(list, { limit: limit + 1, skip: offset })
          : await readRanges(rangesAfter(list.order, start.after), limit + 1, list.read);
      const wanted = found.slice(0, limit);
      const items = list.sizeOf === undefined ? wanted : takeFitting(wanted, list.sizeOf);
      const endAfter = (entry: (typeof items)[number]): void => {
        const count = (start?.count ?? offset) + items.indexOf(entry) + 1;
        positions.set(page + 1, { after: positionOf(list.order, entry), count });
      };
      const last = items.at(-1);
      if (last !== undefined) {
        endAfter(last);
        for (const oldest of positions.keys()) {
          if (positions.size <= POSITIONS_MAX) break;
          positions.delete(oldest);
        }
      }
      return { items, hasNext: found.length > items.length, before: start?.count ?? 0, endAfter };
    },
  };
}

async function jump<T extends object>(
  list: Pick<OrderedList<T>, 'order' | 'read' | 'start' | 'pay'>,
  { limit, skip }: { limit: number; skip: number },
): Promise<T[]> {
  const { start } = list;
  // Behind a start what is skipped has to be read.
  const skipped = Math.min(skip, SKIPPED_MAX);
  await list.pay(start === undefined ? { examined: skipped } : { rows: skipped });
  const read = async (bounds: Bounds): Promise<T[]> => {
    if (start === undefined) return list.read({}, bounds);
    return (await readRanges(rangesAfter(list.order, start), bounds.skip + bounds.limit, list.read)).slice(bounds.skip);
  };
  if (skip <= SKIPPED_MAX) return read({ limit, skip });
  const [first] = await read({ limit: 1, skip: SKIPPED_MAX });
  if (first !== undefined) throw invalid('page', 'is too far from the last page that was read');
  return [];
}

/** The cursor of an entry: the stored values of any type, because the index is ordered by them. */
export const positionOf = (order: readonly string[], entry: object): Position =>
  order.map((field) => storedValue(entry, field));

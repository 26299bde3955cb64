import { invalid } from '../../errors.js';
import { storedValue } from '../../models/index.js';
import type { Clock } from '../../platform/clock.js';
import { type Position, type Range, rangesBehind } from './ranges.js';

/** A list that is read in pages, in a descending order that tells any two of its entries apart. */
export interface OrderedList<T extends object> {
  /** Names the list: the socket that walks through it, and whatever it filters by. */
  readonly key: string;
  /** The fields of the order. */
  readonly order: readonly (keyof T & string)[];
  /** Reads entries in that order. @param range what they have to satisfy besides, for the driver: it casts nothing */
  read(range: Range, bounds: { limit: number; skip: number }): Promise<T[]>;
  /** The list begins behind this; absent: with its first entry. */
  readonly start?: Position | undefined;
  /** How large an entry is; absent: nothing is said of that. A page ends before it is larger than {@link PAGE_SIZE_MAX}. */
  sizeOf?(entry: T): number;
}

/** The most of one answer: a connection on which much more waits than this is taken for one that nobody reads. */
const PAGE_SIZE_MAX = 200_000;

/** Those entries from the first on that are together no larger than a page may be; one at least. */
export function takeFitting<T>(entries: readonly T[], sizeOf: (entry: T) => number): T[] {
  let size = 0;
  const end = entries.findIndex((entry, index) => {
    size += sizeOf(entry);
    return size > PAGE_SIZE_MAX && index > 0;
  });
  return end === -1 ? [...entries] : entries.slice(0, end);
}

/** One page. */
export interface Page<T extends object> {
  readonly items: T[];
  readonly hasNext: boolean;
}

/** Reads pages by number. */
export interface Pages {
  /** @throws GatewayError `VALIDATION_ERROR` for a page that is too far to jump to */
  read<T extends object>(list: OrderedList<T>, bounds: { page: number; limit: number }): Promise<Page<T>>;
}

/** Lists remembered on this node; beyond that those that were not read for longest are forgotten. */
const LISTS_MAX = 5000;
/** Positions remembered of one list: a walk goes on from the last, and back a little. */
const POSITIONS_MAX = 50;
const REMEMBERED_MS = 600_000;
/** Entries that a jump may skip, each of which costs. Who wants to go further walks, or narrows the list. */
const SKIPPED_MAX = 10_000;

/**
 * Pages by number at the cost of a cursor. The end of every page that was read is remembered for a while, so the page behind
 * it is a range of the index wherever it lies, and a socket that walks through a list meets every entry once, even while
 * new ones come in at its head. A first page begins anew. A jump to a page that was not walked to skips over the index, not far.
 */
export function createPages(clock: Clock): Pages {
  const remembered = new Map<string, { positions: Map<number, Position>; usedAt: number }>();

  const positionsOf = (key: string, isFirstPage: boolean): Map<number, Position> => {
    const found = remembered.get(key);
    const isFresh = found !== undefined && !isFirstPage && clock.now() - found.usedAt <= REMEMBERED_MS;
    const positions = isFresh ? found.positions : new Map<number, Position>();
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
      const position = positions.get(page);
      // One more than asked for tells whether there is a next page.
      const found =
        position === undefined
          ? await jump(list, { limit: limit + 1, skip: offset })
          : await readBehind(list, position, limit + 1);
      const wanted = found.slice(0, limit);
      const items = list.sizeOf === undefined ? wanted : takeFitting(wanted, list.sizeOf);
      const last = items.at(-1);
      if (last !== undefined) {
        positions.set(page + 1, positionOf(list.order, last));
        for (const oldest of positions.keys()) {
          if (positions.size <= POSITIONS_MAX) break;
          positions.delete(oldest);
        }
      }
      return { items, hasNext: found.length > items.length };
    },
  };
}

async function jump<T extends object>(
  list: Pick<OrderedList<T>, 'order' | 'read' | 'start'>,
  { limit, skip }: { limit: number; skip: number },
): Promise<T[]> {
  const { start } = list;
  const read = (bounds: { limit: number; skip: number }): Promise<T[]> =>
    start === undefined ? list.read({}, bounds) : skipBehind(list, start, bounds);
  if (skip <= SKIPPED_MAX) return read({ limit, skip });
  const [first] = await read({ limit: 1, skip: SKIPPED_MAX });
  if (first !== undefined) throw invalid('page', 'is too far from the pages before');
  return [];
}

const skipBehind = async <T extends object>(
  list: Pick<OrderedList<T>, 'order' | 'read'>,
  start: Position,
  { limit, skip }: { limit: number; skip: number },
): Promise<T[]> => (await readBehind(list, start, skip + limit)).slice(skip);

/** Reads on from a position. */
export async function readBehind<T extends object>(
  list: Pick<OrderedList<T>, 'order' | 'read'>,
  position: Position,
  limit: number,
): Promise<T[]> {
  const found: T[] = [];
  for (const range of rangesBehind(list.order, position)) {
    if (found.length >= limit) break;
    found.push(...(await list.read(range, { limit: limit - found.length, skip: 0 })));
  }
  return found;
}

/** Where an entry is in its list: the stored values, of whatever type, because those are what the index is ordered by. */
export const positionOf = (order: readonly string[], entry: object): Position =>
  order.map((field) => storedValue(entry, field));

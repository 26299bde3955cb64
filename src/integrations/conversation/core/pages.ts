import type { Clock } from '../../../platform/clock.js';

/** A list that is read in pages, in a descending order that tells any two of its entries apart. */
export interface OrderedList<T extends object> {
  /** Names the list: the socket that walks through it, and whatever it filters by. */
  readonly key: string;
  /** The fields of the order. */
  readonly order: readonly (keyof T & string)[];
  /** Reads entries in that order. @param range what they have to satisfy besides */
  read(range: Record<string, unknown>, bounds: { limit: number; skip: number }): Promise<T[]>;
}

/** One page. */
export interface Page<T extends object> {
  readonly items: T[];
  readonly hasNext: boolean;
}

/** Reads pages by number. */
export interface Pages {
  read<T extends object>(list: OrderedList<T>, bounds: { page: number; limit: number }): Promise<Page<T>>;
}

/** Where a list is continued: the values of the order's fields in the last entry before. */
type Position = readonly unknown[];

/** Positions remembered on this node; beyond that the lists that were not read for longest are forgotten. */
const POSITIONS_MAX = 100_000;
/** Of one list. */
const POSITIONS_OF_LIST_MAX = 2000;
const REMEMBERED_MS = 600_000;

/**
 * Pages by number at the cost of a cursor. The end of every page that was read is remembered for a while, so the page behind
 * it is a range of the index wherever it lies, and a socket that walks through a list meets every entry once, even while
 * new ones come in at its head. A first page begins anew. A jump to a page that was not walked to skips over the index.
 */
export function createPages(clock: Clock): Pages {
  const remembered = new Map<string, { positions: Map<number, Position>; usedAt: number }>();
  let positionCount = 0;

  const forget = (key: string): void => {
    // A list without positions counts too.
    positionCount -= 1 + (remembered.get(key)?.positions.size ?? -1);
    remembered.delete(key);
  };

  const positionsOf = (key: string, isFirstPage: boolean): Map<number, Position> => {
    const found = remembered.get(key);
    const isFresh = found !== undefined && !isFirstPage && clock.now() - found.usedAt <= REMEMBERED_MS;
    const positions = isFresh ? found.positions : new Map<number, Position>();
    forget(key);
    remembered.set(key, { positions, usedAt: clock.now() });
    positionCount += 1 + positions.size;
    for (const oldest of remembered.keys()) {
      if (positionCount <= POSITIONS_MAX) break;
      forget(oldest);
    }
    return positions;
  };

  return {
    async read(list, { page, limit }) {
      const offset = (page - 1) * limit;
      const positions = positionsOf(list.key, page === 1);
      const position = positions.get(offset);
      // One more than asked for tells whether there is a next page.
      const found =
        position === undefined
          ? await list.read({}, { limit: limit + 1, skip: offset })
          : await readBehind(list, position, limit + 1);
      const items = found.slice(0, limit);
      const last = items.at(-1);
      if (last !== undefined && positions.size < POSITIONS_MAX) {
        positions.set(
          offset + items.length,
          list.order.map((field) => last[field]),
        );
      }
      return { items, hasNext: found.length > limit };
    },
  };
}

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

/**
 * What lies behind a position, as ranges of an index in their order: for `a, b` behind (1, 2) it is `a = 1, b < 2`, then
 * `a < 1`. As one condition it could not be read in order.
 */
function rangesBehind(order: readonly string[], position: Position): Record<string, unknown>[] {
  return order
    .map((field, index) => ({
      ...Object.fromEntries(order.slice(0, index).map((equal, at) => [equal, position[at]])),
      [field]: { $lt: position[index] },
    }))
    .filter((_, index) => position[index] !== false)
    .reverse();
}

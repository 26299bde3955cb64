import { type Log, STORING_MAX_MS } from './log.js';
import type { PositionRange } from './positions.js';
import { isPosition, isTime } from './sound-entry.js';

interface StartQuery {
  readonly recipient: string;
  /** Unix time in milliseconds. */
  readonly time: number;
  /** Positions that are known to have been answered before. */
  readonly answered?: PositionRange | undefined;
}

interface Recent {
  readonly last?: number;
  readonly lowest?: number;
}

/**
 * The position after which a new device begins: everything above it was answered, or may have been, after a time.
 */
export async function readStart(
  { collection }: Pick<Log, 'collection'>,
  { recipient, time, answered }: StartQuery,
): Promise<number> {
  const to = answered?.to ?? 0;
  const recent = (position: object) => readRecent(collection, { recipient, position }, time);
  // First, because more is stored meanwhile.
  const above = await recent({ $gt: to });
  const below = answered && (await recent({ $lt: answered.from }));
  const lowest = below?.lowest ?? above.lowest;
  return lowest === undefined ? (above.last ?? to) : lowest - 1;
}

/** Of a range, the last position and the lowest one that was created at a time or later. */
async function readRecent(collection: Log['collection'], range: object, time: number): Promise<Recent> {
  const newestFirst = collection
    .find(range, { projection: { _id: 0, position: 1, createdAt: 1 } })
    .sort({ position: -1 });
  const recent: { last?: number; lowest?: number } = {};
  for await (const { position, createdAt } of newestFirst) {
    if (!isPosition(position)) continue;
    recent.last ??= position;
    // A purged entry has no time, and is old.
    if (createdAt !== undefined && !isTime(createdAt)) continue;
    const age = time - (createdAt?.getTime() ?? 0);
    if (age <= 0) recent.lowest = position;
    // An entry below may have been created later, if it was stored faster.
    else if (age > STORING_MAX_MS) break;
  }
  return recent;
}

import { baseOf, lowestOf } from './acked.js';
import type { StoredDevice } from './mailboxes.js';
import { EVERYWHERE, PURGED } from './message.js';

/** What waits for a device. */
interface PendingQuery {
  readonly recipient: string;
  /** Where it is connected; absent: wherever it is heard. */
  readonly namespace?: string;
  /** Unix time in milliseconds. */
  readonly now: number;
}

/** A filter of the log for all that a device has neither acknowledged nor lost, by the index of positions. */
export function pendingOf(
  { id, start, acked }: Pick<StoredDevice, 'id' | 'start' | 'acked'>,
  { recipient, namespace, now }: PendingQuery,
): Record<string, unknown> {
  const known = namespace === undefined ? Object.keys(acked) : [namespace, EVERYWHERE];
  const lowest = known.map((name) => lowestOf(acked, start, name));
  const holes = known.flatMap((name) => acked[name]?.holes ?? []);
  const others = { namespace: { $nin: [...known, PURGED] }, position: { $gt: start } };
  const branches = [
    ...known.map((name) => ({ namespace: name, position: { $gt: baseOf(acked, start, name) } })),
    ...(holes.length > 0 ? [{ namespace: { $in: known }, position: { $in: holes } }] : []),
    ...(namespace === undefined ? [others] : []),
  ];
  return {
    recipient,
    position: { $gt: Math.min(...lowest, ...(namespace === undefined ? [start] : [])) },
    $or: branches,
    'ends.device': { $ne: id },
    expireAt: { $not: { $lte: new Date(now) } },
  };
}

import { EVERYWHERE } from '../message.js';
import { highestAcked, lowestAcked } from './acked.js';
import { PURGED } from './entry.js';
import type { StoredDevice } from './mailbox.js';

interface PendingQuery {
  /** Key of the recipient. */
  readonly recipient: string;
  /** Where the device is connected. Absent: on any namespace. */
  readonly namespace?: string;
  /** Unix time in milliseconds. */
  readonly now: number;
}

/** A filter of the log for the messages that a device has neither acknowledged nor lost. The index of positions serves it. */
export function toPendingFilter(
  { id, start, acked }: Pick<StoredDevice, 'id' | 'start' | 'acked'>,
  { recipient, namespace, now }: PendingQuery,
): Record<string, unknown> {
  const known = namespace === undefined ? Object.keys(acked) : [namespace, EVERYWHERE];
  const lowest = known.map((name) => lowestAcked(acked, start, name));
  const holes = known.flatMap((name) => acked[name]?.holes ?? []);
  const others = { namespace: { $nin: [...known, PURGED] }, position: { $gt: start } };
  const branches = [
    ...known.map((name) => ({ namespace: name, position: { $gt: highestAcked(acked, start, name) } })),
    ...(holes.length > 0 ? [{ namespace: { $in: known }, position: { $in: holes } }] : []),
    ...(namespace === undefined ? [others] : []),
  ];
  return {
    recipient,
    position: { $gt: Math.min(...lowest, ...(namespace === undefined ? [start] : [])) },
    $or: branches,
    'outcomes.device': { $ne: id },
    expireAt: { $not: { $lte: new Date(now) } },
  };
}

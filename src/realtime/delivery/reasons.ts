import type { DeliveryReason } from '#shared/contracts/deliveries.js';
import type { Loss } from '#shared/models/delivery.js';
import type { Fate, LoggedEntry } from './fates.js';
import { isHeardOn } from './message.js';

/** What surrounds a message that a device has not acknowledged. */
export interface Circumstances {
  /** Where the device is connected, on whatever nodes, if only to a chat. */
  readonly namespaces: readonly string[];
  /** Those on which the mailbox is heard, each with the position after which nothing is sent until the device catches up. */
  readonly stalledAfter: ReadonlyMap<string, number>;
}

const REASONS_OF_LOSSES: Readonly<Record<Loss, DeliveryReason>> = {
  ttl: 'EXPIRED_TTL',
  overflow: 'EXPIRED_OVERFLOW',
  device: 'EXPIRED_DEVICE',
  resync: 'EXPIRED_RESYNC',
};

/** Why a message is where it is, for one device: of all that holds, what has to change first. */
export function reasonOf(entry: LoggedEntry, fate: Fate, { namespaces, stalledAfter }: Circumstances): DeliveryReason {
  const { state, loss, device } = fate;
  if (state === 'acked') return 'ACKNOWLEDGED';
  if (state === 'expired') return loss === undefined ? 'NO_RECORD' : REASONS_OF_LOSSES[loss];
  if (state === 'pushed') return 'PUSHED';
  if (device === null) return 'NO_DEVICE_YET';
  if (namespaces.length === 0) return 'NOT_CONNECTED';
  const limits = [...stalledAfter].flatMap(([namespace, after]) =>
    isHeardOn(namespace, entry.namespace) ? after : [],
  );
  if (limits.length === 0) return 'OTHER_NAMESPACE';
  if (limits.every((after) => entry.position > after)) return 'STALLED';
  // Without a receipt it is not noted that it was sent.
  return state === 'queued' && entry.keepsReceipt === true ? 'IN_LINE' : 'NOT_ACKNOWLEDGED';
}

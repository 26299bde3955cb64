import type { DeliveryReason } from '#shared/contracts/delivery-reasons.js';
import type { ExpiryReason } from '#shared/models/delivery.js';
import { isHeardOn } from '../message.js';
import type { DeviceOutcome, LoggedEntry } from '../storage/outcomes.js';

/** Where a device is connected, and what it can be sent there. */
export interface DeviceConnections {
  /** On any node, also namespaces without durable messages. */
  readonly namespaces: readonly string[];
  /** By namespace: nothing above this position is sent until the device acknowledges something. */
  readonly sendableUpTo: ReadonlyMap<string, number>;
}

const EXPIRY_REASONS: Readonly<Record<ExpiryReason, DeliveryReason>> = {
  ttl: 'EXPIRED_TTL',
  overflow: 'EXPIRED_OVERFLOW',
  device: 'EXPIRED_DEVICE',
  resync: 'EXPIRED_RESYNC',
  cleared: 'EXPIRED_CLEARED',
  unreadable: 'EXPIRED_UNREADABLE',
};

/** Why a message is in its state on a device. Of several reasons the one that has to change first. */
export function reasonOf(
  entry: LoggedEntry,
  { state, expiry, device }: DeviceOutcome,
  { namespaces, sendableUpTo }: DeviceConnections,
): DeliveryReason {
  if (state === 'acked') return 'ACKNOWLEDGED';
  if (state === 'expired') return expiry === undefined ? 'NO_RECORD' : EXPIRY_REASONS[expiry];
  if (state === 'pushed') return 'PUSHED';
  if (device === null) return 'NO_DEVICE_YET';
  if (namespaces.length === 0) return 'NOT_CONNECTED';
  const limits = [...sendableUpTo].flatMap(([namespace, upTo]) => (isHeardOn(namespace, entry.namespace) ? upTo : []));
  if (limits.length === 0) return 'OTHER_NAMESPACE';
  if (limits.every((upTo) => entry.position > upTo)) return 'STALLED';
  // Without a receipt it is not noted that a message was sent.
  return state === 'queued' && entry.keepsReceipt === true ? 'IN_LINE' : 'NOT_ACKNOWLEDGED';
}

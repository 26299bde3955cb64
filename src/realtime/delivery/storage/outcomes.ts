import type { ExpiryReason } from '#shared/models/delivery.js';
import type { MessageOrigin } from '../message.js';
import { isAcked } from './acked.js';
import type { Mailbox, StoredDevice, StoredExpiration } from './mailbox.js';

/** The states of a message on a device, the furthest one first. */
const STATES = ['acked', 'pushed', 'sent', 'queued', 'expired'] as const;

/** The state of a message on one device, or the furthest one of all devices. */
export type DeliveryState = (typeof STATES)[number];

/** What the log has of a message, without its content. */
export interface LoggedEntry {
  readonly position: number;
  readonly namespace: string;
  readonly createdAt: Date;
  readonly expireAt?: Date;
  readonly keepsReceipt?: boolean;
  readonly hasPush?: boolean;
  readonly pushedAt?: Date;
  readonly requestId?: string;
  readonly origin?: MessageOrigin;
  readonly outcomes?: readonly { device: string; at: Date; expiry?: ExpiryReason; isExcluded?: boolean }[];
}

/** The outcome of a message on one device. */
export interface DeviceOutcome {
  /** `null`: no device was known. */
  readonly device: string | null;
  readonly state: DeliveryState;
  readonly at: Date;
  readonly expiry?: ExpiryReason;
  /** It is known by the time only: nothing is stored of it, and the device was not notified. */
  readonly isUnstored?: boolean;
}

/**
 * The outcome of a message on each device that it was meant for, from the log, the cursors and the expirations. A device that
 * acknowledged a message without a receipt is missing.
 * @param now Unix time in milliseconds
 */
export function outcomesOf(entry: LoggedEntry, mailbox: Mailbox, now: number): DeviceOutcome[] {
  const outcomes = new Map<string | null, DeviceOutcome | undefined>();
  for (const { device, at, expiry, isExcluded = false } of entry.outcomes ?? []) {
    const state = expiry === undefined ? 'acked' : 'expired';
    outcomes.set(device, isExcluded ? undefined : { device, state, at, ...(expiry && { expiry }) });
  }
  for (const expiration of mailbox.expirations) {
    const { device, at, reason: expiry } = expiration;
    if (!outcomes.has(device) && isCovered(entry, expiration))
      outcomes.set(device, { device, state: 'expired', at, expiry });
  }
  for (const device of mailbox.devices) {
    if (!outcomes.has(device.id)) outcomes.set(device.id, outcomeOn(device, entry, now));
  }
  if (mailbox.devices.length === 0 && entry.position > mailbox.start && !outcomes.has(null)) {
    outcomes.set(null, pendingOutcome(entry, null, now));
  }
  return [...outcomes.values()].filter((outcome) => outcome !== undefined);
}

/** The furthest that a message got. */
export const furthestOf = (outcomes: readonly DeviceOutcome[]): DeliveryState =>
  STATES.find((state) => outcomes.some((outcome) => outcome.state === state)) ?? 'queued';

const isCovered = (entry: LoggedEntry, { upTo, start, acked }: StoredExpiration): boolean =>
  entry.position <= upTo && !isAcked(acked, start, entry);

function outcomeOn(device: StoredDevice, entry: LoggedEntry, now: number): DeviceOutcome | undefined {
  const { id, start, acked, sent, connectedAt } = device;
  if (entry.position <= start) return undefined;
  if (isAcked(acked, start, entry)) {
    if (entry.keepsReceipt !== true) return undefined;
    // The outcome of an acknowledgement is stored before the cursor, that of an expiration after it.
    const isExpired = entry.expireAt !== undefined && entry.expireAt.getTime() <= now;
    if (isExpired) return { device: id, state: 'expired', at: entry.expireAt, expiry: 'ttl' };
    return { device: id, state: 'acked', at: entry.createdAt };
  }
  const outcome = pendingOutcome(entry, id, now);
  const isSent = entry.position <= (sent[entry.namespace] ?? 0);
  if (outcome.state !== 'queued' || !isSent) return outcome;
  return { ...outcome, state: 'sent', at: entry.createdAt < connectedAt ? connectedAt : entry.createdAt };
}

/** Of a message that the device has not acknowledged. */
function pendingOutcome(entry: LoggedEntry, device: string | null, now: number): DeviceOutcome {
  const { expireAt, pushedAt, createdAt } = entry;
  const isExpired = expireAt !== undefined && expireAt.getTime() <= now;
  if (isExpired) return { device, state: 'expired', at: expireAt, expiry: 'ttl', isUnstored: true };
  if (pushedAt !== undefined) return { device, state: 'pushed', at: pushedAt };
  return { device, state: 'queued', at: createdAt };
}

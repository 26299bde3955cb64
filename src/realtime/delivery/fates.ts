import type { Loss } from '#shared/models/delivery.js';
import { isAcked } from './acked.js';
import type { Mailbox, StoredDevice, StoredLoss } from './mailboxes.js';

/** The states of a message, the one that says most first. */
export const STATES = ['acked', 'pushed', 'sent', 'queued', 'expired'] as const;

/** What a message came to, for one device or all together. */
export type EntryState = (typeof STATES)[number];

/** What the log knows of a message, without its content. */
export interface LoggedEntry {
  readonly position: number;
  readonly namespace: string;
  readonly createdAt: Date;
  readonly expireAt?: Date;
  readonly keepsReceipt?: boolean;
  readonly pushedAt?: Date;
  readonly ends?: readonly { device: string; at: Date; loss?: Loss; isForeign?: boolean }[];
}

/** What a message came to on one device. */
export interface Fate {
  /** `null`: no device had come yet. */
  readonly device: string | null;
  readonly state: EntryState;
  readonly at: Date;
  readonly loss?: Loss;
}

/**
 * What a message came to on each device that it was meant for, from the log, the cursors and the losses.
 * Devices that acknowledged a message without a receipt leave no trace of it.
 * @param now Unix time in milliseconds
 */
export function fatesOf(entry: LoggedEntry, mailbox: Mailbox, now: number): Fate[] {
  const fates = new Map<string | null, Fate | undefined>();
  for (const { device, at, loss, isForeign = false } of entry.ends ?? []) {
    const state = loss === undefined ? 'acked' : 'expired';
    fates.set(device, isForeign ? undefined : { device, state, at, ...(loss && { loss }) });
  }
  for (const loss of mailbox.losses) {
    if (fates.has(loss.device) || !isLost(entry, loss)) continue;
    fates.set(loss.device, { device: loss.device, state: 'expired', at: loss.at, loss: loss.reason });
  }
  for (const device of mailbox.devices) {
    if (!fates.has(device.id)) fates.set(device.id, fateOf(entry, device, now));
  }
  if (mailbox.devices.length === 0 && entry.position > mailbox.start && !fates.has(null)) {
    fates.set(null, pendingFate(entry, null, now));
  }
  return [...fates.values()].filter((fate) => fate !== undefined);
}

/** The furthest that a message got. */
export const stateOf = (fates: readonly Fate[]): EntryState =>
  STATES.find((state) => fates.some((fate) => fate.state === state)) ?? 'queued';

const isLost = (entry: LoggedEntry, { upTo, start, acked }: StoredLoss): boolean =>
  entry.position <= upTo && !isAcked(acked, start, entry);

function fateOf(entry: LoggedEntry, device: StoredDevice, now: number): Fate | undefined {
  const { id, start, acked, sent, connectedAt } = device;
  if (entry.position <= start) return undefined;
  if (isAcked(acked, start, entry)) {
    return entry.keepsReceipt === true ? { device: id, state: 'acked', at: entry.createdAt } : undefined;
  }
  const fate = pendingFate(entry, id, now);
  if (fate.state !== 'queued' || entry.position > (sent[entry.namespace] ?? 0)) return fate;
  return { ...fate, state: 'sent', at: entry.createdAt < connectedAt ? connectedAt : entry.createdAt };
}

function pendingFate({ expireAt, pushedAt, createdAt }: LoggedEntry, device: string | null, now: number): Fate {
  // Not sent any more.
  if (expireAt !== undefined && expireAt.getTime() <= now) {
    return { device, state: 'expired', at: expireAt, loss: 'ttl' };
  }
  if (pushedAt !== undefined) return { device, state: 'pushed', at: pushedAt };
  return { device, state: 'queued', at: createdAt };
}

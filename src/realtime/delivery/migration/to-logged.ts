import { recipientOf } from '../message.js';
import { type StoredEntry, toDocument } from '../storage/entry.js';
import type { KnownDevices } from './devices.js';
import type { LegacyMessage } from './legacy-mailboxes.js';

/** A message of this age may have been sent while a device that the earlier version does not know was connected. */
const RECENT_MS = 120_000;

/** The document of a message that is moved into the log. */
export type LoggedMessage = StoredEntry & { readonly createdAt: Date; readonly outcomes: readonly object[] };

/** Where and when a message is moved to. */
interface Destination {
  readonly position: number;
  /** Unix time in milliseconds of the entry before. Times rise with positions: much else relies on it. */
  readonly notBefore: number;
  readonly devices: KnownDevices;
  /** Unix time in milliseconds. */
  readonly now: number;
  readonly receiptTtlMs: number;
}

/** A message as the log has it. Devices that it was not stored for are excluded. */
export function toLogged(
  entries: LegacyMessage,
  { position, notBefore, devices, now, receiptTtlMs }: Destination,
): LoggedMessage {
  const [first] = entries;
  const sentAt = first.createdAt.getTime();
  const createdAt = Math.max(sentAt, notBefore);
  const document = toDocument(
    {
      id: first.message,
      recipient: recipientOf(first.recipient),
      position,
      namespace: first.namespace,
      body: first.body,
      createdAt,
      expireAt: first.expireAt?.getTime() ?? null,
      isResync: first.isResync === true,
      hasPush: first.hasPush === true,
      keepsReceipt: entries.some(({ keepsReceipt }) => keepsReceipt === true),
    },
    { receiptTtlMs, storedAt: now },
  );
  const ended = entries.flatMap(({ device, isPending, at, loss }) =>
    isPending || device === null ? [] : [{ device, at, ...(loss && { expiry: loss }) }],
  );
  const candidates = sentAt > now - RECENT_MS ? devices.legacy : devices.current;
  const excluded = excludedFrom(entries, candidates).map((device) => ({
    device,
    at: first.createdAt,
    isExcluded: true,
  }));
  const pushed = entries.find(({ state }) => state === 'pushed');
  return {
    ...document,
    createdAt: new Date(createdAt),
    ...(pushed && { pushedAt: pushed.at }),
    outcomes: [...ended, ...excluded],
  };
}

/** What waits for the first device is for all. */
function excludedFrom(entries: LegacyMessage, devices: readonly string[]): string[] {
  if (entries.some(({ device, isPending }) => device === null && isPending)) return [];
  const addressed = new Set(entries.map(({ device }) => device));
  return devices.filter((device) => !addressed.has(device));
}

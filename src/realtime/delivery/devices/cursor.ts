import type { ExpiryReason } from '#shared/models/delivery.js';
import type { AckedByNamespace } from '../storage/acked.js';
import type { SentEntry } from '../storage/entry.js';
import type { Device } from '../storage/mailboxes.js';

/** What a device that is connected to this node has acknowledged, as far as this node knows. */
export interface Cursor {
  readonly device: Device;
  acked: AckedByNamespace;
  /** Messages up to this position were never meant for the device. */
  start: number;
  /** By namespace: the highest position that was sent to a socket. */
  sent: Record<string, number>;
  /** That of the database when it was last read or written; `undefined`: not known. */
  revision: number | undefined;
  /** Differs from what is stored. */
  isDirty: boolean;
  /** Messages have expired of which the client must be notified. Stored with what covers them. */
  needsResync: boolean;
  /** What is still to be noted in the log. */
  outcomes: EntryOutcome[];
  usedAt: number;
}

/** The outcome of an entry on the device. */
export interface EntryOutcome {
  readonly entry: SentEntry;
  /** Unix time in milliseconds. */
  readonly at: number;
  /** Absent: it was acknowledged. */
  readonly expiry?: ExpiryReason;
}

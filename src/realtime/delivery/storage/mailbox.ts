import type { ExpiryReason } from '#shared/models/delivery.js';
import type { AckedByNamespace } from './acked.js';

/** A device of a mailbox, as it is stored. */
export interface StoredDevice {
  readonly id: string;
  /** Messages up to this position were never meant for it. */
  readonly start: number;
  readonly acked: AckedByNamespace;
  /** Rises with each write of `acked`. */
  readonly revision: number;
  /** By namespace: the highest position that was sent to a socket. */
  readonly sent: Readonly<Record<string, number>>;
  readonly seenAt: Date;
  readonly connectedAt: Date;
  /** Ids of the nodes that it is connected to. */
  readonly nodes?: readonly string[];
}

/** Messages that expired at once: all up to `upTo` that `acked` does not cover. */
export interface StoredExpiration {
  /** `null`: no device was known. */
  readonly device: string | null;
  readonly reason: ExpiryReason;
  readonly start: number;
  readonly acked: AckedByNamespace;
  readonly upTo: number;
  readonly at: Date;
}

/** What is stored of a recipient besides the log. */
export interface Mailbox {
  /** What is above this position, and was stored while there was no device, waits for the first one. */
  readonly start: number;
  readonly devices: readonly StoredDevice[];
  /** Devices that lost messages and have not been notified; `null`: the first device, which is not known yet. */
  readonly resyncFlags: readonly (string | null)[];
  /** There were too many flags, so every device that is not known counts as flagged. */
  readonly flagsUnknownDevices: boolean;
  readonly expirations: readonly StoredExpiration[];
}

/** The mailbox of a recipient who never had a device. */
export const EMPTY_MAILBOX: Mailbox = {
  start: 0,
  devices: [],
  resyncFlags: [],
  flagsUnknownDevices: false,
  expirations: [],
};

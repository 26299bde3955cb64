import type { ExpiryReason } from '#shared/models/delivery.js';
import type { Logger } from '../../../platform/logging/logger.js';
import { type AckedByNamespace, isAcked, merge } from '../storage/acked.js';
import type { SentEntry } from '../storage/entry.js';
import type { Device } from '../storage/mailboxes.js';
import type { Cursor } from './cursor.js';
import { type CursorWriter, FLUSH_DELAY_MS, FLUSH_SPACING_MS, highest } from './cursor-writer.js';

/** When a failed write is repeated. */
const RETRY_MS = 2000;
/** Devices that one database call writes. */
const BATCH_MAX = 1000;
/** How long an unused cursor stays in memory. */
const IDLE_MS = 30_000;

/** What is known of a cursor that is not in memory. */
export type InitialCursor = Readonly<Pick<Cursor, 'acked' | 'start' | 'revision'>> & {
  readonly sent: Readonly<Record<string, number>>;
};

interface Dependencies {
  readonly writer: CursorWriter;
  readonly logger: Logger;
  now(): number;
}

/**
 * The cursors of the devices that are connected to this node. They are kept in memory and written together, 30 ms after
 * an acknowledgement, and at most four times a second. Nothing waits for the write: if it is lost with the node, messages come again.
 */
export class Cursors {
  readonly #writer: CursorWriter;
  readonly #logger: Logger;
  readonly #now: () => number;
  readonly #cursors = new Map<string, Cursor>();
  readonly #dirty = new Set<Cursor>();
  #timer: NodeJS.Timeout | undefined;
  /** The next write begins at this time of the process at the earliest, unless something waits for it. */
  #nextAt = 0;
  #writing: Promise<void> | undefined;

  constructor({ writer, logger, now }: Dependencies) {
    this.#writer = writer;
    this.#logger = logger;
    this.#now = now;
  }

  /** The cursor of a device, merged with what the caller knows of it. */
  of(device: Device, { acked, start, sent, revision }: InitialCursor): Cursor {
    const key = keyOf(device);
    const found = this.#cursors.get(key);
    if (found === undefined) {
      const unused = { isDirty: false, needsResync: false, outcomes: [], usedAt: this.#now() };
      const cursor = { device, acked, start, sent: { ...sent }, revision, ...unused };
      this.#cursors.set(key, cursor);
      return cursor;
    }
    found.acked = merge(found.acked, acked);
    found.start = Math.max(found.start, start);
    found.sent = highest(found.sent, sent);
    // It includes now what is stored at this revision, so the next write may replace that.
    found.revision = revision ?? found.revision;
    found.usedAt = this.#now();
    return found;
  }

  /** A device has acknowledged entries. @param acked all that the outbox knows to be acknowledged */
  acknowledge(cursor: Cursor, acked: AckedByNamespace, entries: readonly SentEntry[]): void {
    const at = this.#now();
    for (const entry of entries) {
      const isNew = !isAcked(cursor.acked, cursor.start, entry);
      if (isNew && (entry.keepsReceipt || entry.hasPush)) cursor.outcomes.push({ entry, at });
    }
    cursor.acked = merge(cursor.acked, acked);
    cursor.isDirty = true;
    this.#touch(cursor);
    // An acknowledgement cancels the push, which any node may be about to send.
    if (entries.some(({ hasPush }) => hasPush)) void this.flush();
  }

  /** A message can no longer be sent, or never could. @param isTold the client was notified that it lost messages */
  expire(cursor: Cursor, entry: SentEntry, { reason, isTold }: { reason: ExpiryReason; isTold: boolean }): void {
    cursor.outcomes.push({ entry, at: (reason === 'ttl' ? entry.expireAt : null) ?? this.#now(), expiry: reason });
    if (!isTold) Object.assign(cursor, { needsResync: true, isDirty: true });
    this.#touch(cursor);
  }

  /** A message is sent to a socket. */
  markSent(cursor: Cursor, { namespace, position, keepsReceipt }: SentEntry): void {
    cursor.usedAt = this.#now();
    if (!keepsReceipt) return;
    cursor.sent[namespace] = Math.max(position, cursor.sent[namespace] ?? 0);
    cursor.isDirty = true;
    this.#touch(cursor);
  }

  /** Writes what is not stored yet. Never rejects: what fails is written later. */
  async flush(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    while (this.#writing !== undefined) await this.#writing;
    if (this.#dirty.size === 0) return;
    this.#nextAt = performance.now() + FLUSH_SPACING_MS;
    this.#writing = this.#write([...this.#dirty]).finally(() => {
      this.#writing = undefined;
    });
    await this.#writing;
    if (this.#dirty.size > 0) this.#schedule();
  }

  /** Forgets the cursor of a device that is not in use, if it is stored. */
  forget(device: Device): void {
    const key = keyOf(device);
    const cursor = this.#cursors.get(key);
    if (cursor === undefined || cursor.isDirty || this.#dirty.has(cursor) || this.#writing !== undefined) return;
    this.#cursors.delete(key);
  }

  /** Forgets cursors that are stored and have not been used for a while. */
  forgetIdle(isUsed: (device: Device) => boolean): void {
    for (const [key, cursor] of this.#cursors) {
      const isIdle = !this.#dirty.has(cursor) && !cursor.isDirty && this.#now() - cursor.usedAt >= IDLE_MS;
      if (isIdle && !isUsed(cursor.device)) this.#cursors.delete(key);
    }
  }

  async #write(cursors: readonly Cursor[]): Promise<void> {
    for (let start = 0; start < cursors.length; start += BATCH_MAX) {
      const batch = cursors.slice(start, start + BATCH_MAX);
      const changes = batch.map((cursor) => ({ cursor, outcomes: cursor.outcomes, isDirty: cursor.isDirty }));
      for (const cursor of batch) {
        this.#dirty.delete(cursor);
        Object.assign(cursor, { outcomes: [], isDirty: false });
      }
      try {
        await this.#writer.write(changes);
      } catch (error) {
        this.#logger.warn({ err: error }, 'delivery: storing acknowledgements failed; retrying');
        for (const { cursor, outcomes, isDirty } of changes) {
          cursor.outcomes = [...outcomes, ...cursor.outcomes];
          cursor.isDirty ||= isDirty;
          this.#dirty.add(cursor);
        }
        return this.#schedule(RETRY_MS);
      }
    }
  }

  #touch(cursor: Cursor): void {
    cursor.usedAt = this.#now();
    this.#dirty.add(cursor);
    if (this.#writing === undefined) this.#schedule();
  }

  #schedule(delayMs = Math.max(FLUSH_DELAY_MS, this.#nextAt - performance.now())): void {
    this.#timer ??= setTimeout(() => void this.flush(), delayMs).unref();
  }
}

/** The key of a recipient is JSON, so it ends where the id of the device begins. */
const keyOf = ({ recipient, deviceId }: Device): string => recipient.key + deviceId;

import { isDeepStrictEqual } from 'node:util';
import type { PushStore } from '../push/store.js';
import { merge } from '../storage/acked.js';
import type { Log } from '../storage/log.js';
import type { Device, Mailboxes } from '../storage/mailboxes.js';
import { noteOutcomes, type Outcome } from '../storage/noted-outcomes.js';
import type { Cursor, EntryOutcome } from './cursor.js';

/** How long acknowledgements are collected before they are written. */
export const FLUSH_DELAY_MS = 30;
/** Minimum time between the beginnings of two writes: under load a device is written once for several messages. */
export const FLUSH_SPACING_MS = 250;

/** What is to be written of a cursor. */
export interface CursorChange {
  readonly cursor: Cursor;
  readonly outcomes: readonly EntryOutcome[];
  /** Its acknowledgements have changed. */
  readonly isDirty: boolean;
}

interface Dependencies {
  readonly mailboxes: Mailboxes;
  readonly log: Log;
  readonly pushStore: Pick<PushStore, 'remove'>;
  /** The device of a cursor is connected, but was removed from its mailbox. */
  onRemoved(cursor: Cursor): Promise<void>;
  report(error: unknown): void;
}

/** Writes acknowledgements of many devices with few database calls. */
export class CursorWriter {
  readonly #dependencies: Dependencies;

  constructor(dependencies: Dependencies) {
    this.#dependencies = dependencies;
  }

  async write(changes: readonly CursorChange[]): Promise<void> {
    const dirty = changes.flatMap(({ cursor, isDirty }) => (isDirty ? cursor : []));
    const { pushStore, report } = this.#dependencies;
    const entries = changes.flatMap(({ outcomes }) => outcomes.map(({ entry }) => entry));
    const pushed = entries.flatMap(({ id, hasPush }) => (hasPush ? id : []));
    const writeAll = async (): Promise<void> => {
      // A cursor covers what was acknowledged and what expired. That without an outcome has expired: a node may end in between.
      await this.#writeOutcomes(changes, ({ entry, expiry }) => expiry === undefined && entry.keepsReceipt);
      // A message with an outcome is not read again, so the device is flagged before it.
      await this.#writeCursors(dirty);
      await this.#writeOutcomes(changes, ({ expiry }) => expiry !== undefined);
    };
    await Promise.all([
      writeAll(),
      // A push that stays is dropped when it is due: its message is acknowledged.
      pushStore.remove(pushed).catch(report),
    ]);
  }

  async #writeOutcomes(changes: readonly CursorChange[], isNoted: (outcome: EntryOutcome) => boolean): Promise<void> {
    const { log } = this.#dependencies;
    const groups = changes.flatMap(({ cursor: { device }, outcomes }) => toGroups(device, outcomes.filter(isNoted)));
    if (groups.length > 0) await noteOutcomes(log, groups);
  }

  /**
   * One update for all cursors. Each is written only if its device is stored as it was when it was read last. Those that
   * another node has changed meanwhile are read together, merged and written again.
   */
  async #writeCursors(dirty: readonly Cursor[]): Promise<void> {
    const { mailboxes } = this.#dependencies;
    const unread = dirty.filter(({ revision }) => revision === undefined);
    const known = dirty.filter(({ revision }) => revision !== undefined);
    let left = unread.length === 0 ? known : [...known, ...(await this.#mergeStored(unread))];
    while (left.length > 0) {
      const updates = left.map(({ device, revision = 0, acked, sent, needsResync }) =>
        mailboxes.toUpdate(device, revision, { acked, sent, needsResync }),
      );
      const flagged = left.filter(({ needsResync }) => needsResync);
      for (const cursor of flagged) cursor.needsResync = false;
      const { matchedCount } = await mailboxes.collection
        .bulkWrite(updates as never, { ordered: false })
        .catch((error: unknown) => {
          for (const cursor of flagged) cursor.needsResync = true;
          throw error;
        });
      if (matchedCount === left.length) {
        for (const cursor of left) cursor.revision = (cursor.revision ?? 0) + 1;
        return;
      }
      // Which ones were not written is not known.
      for (const cursor of flagged) cursor.needsResync = true;
      left = await this.#mergeStored(left);
    }
  }

  /** Merges what is stored into cursors. @returns those that know more than is stored */
  async #mergeStored(cursors: readonly Cursor[]): Promise<Cursor[]> {
    const { mailboxes, onRemoved } = this.#dependencies;
    const found = await mailboxes.find(cursors.map(({ device }) => device.recipient.key));
    const changed: Cursor[] = [];
    for (const cursor of cursors) {
      const { recipient, deviceId } = cursor.device;
      const stored = found.get(recipient.key)?.devices.find(({ id }) => id === deviceId);
      if (stored === undefined) {
        await onRemoved(cursor);
        continue;
      }
      cursor.acked = merge(stored.acked, cursor.acked);
      cursor.sent = highest(stored.sent, cursor.sent);
      cursor.start = Math.max(cursor.start, stored.start);
      cursor.revision = stored.revision;
      const isStored = isDeepStrictEqual([cursor.acked, cursor.sent], [stored.acked, stored.sent]);
      if (cursor.needsResync || !isStored) changed.push(cursor);
    }
    return changed;
  }
}

/** By namespace, the higher of two positions. */
export function highest(one: Readonly<Record<string, number>>, other: Readonly<Record<string, number>>) {
  const result: Record<string, number> = { ...one };
  for (const [namespace, position] of Object.entries(other)) {
    result[namespace] = Math.max(position, result[namespace] ?? 0);
  }
  return result;
}

/**
 * Outcomes that are one update: acknowledgements that were gathered for one write count as of the last one's time, expirations
 * of the same time and reason.
 */
function toGroups(device: Device, outcomes: readonly EntryOutcome[]): Outcome[] {
  const groups = new Map<string, Outcome & { positions: number[]; from: number; at: number }>();
  const results: Outcome[] = [];
  for (const { entry, at, expiry } of outcomes) {
    const key = expiry === undefined ? '' : `${at} ${expiry}`;
    const group = groups.get(key);
    if (group !== undefined && at - group.from <= FLUSH_SPACING_MS) {
      group.positions.push(entry.position);
      group.at = Math.max(group.at, at);
    } else {
      const fresh = { device, positions: [entry.position], from: at, at, ...(expiry && { expiry }) };
      groups.set(key, fresh);
      results.push(fresh);
    }
  }
  return results;
}

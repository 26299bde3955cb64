import { isDeepStrictEqual } from 'node:util';
import type { Logger } from '../../platform/logger.js';
import { type AckedByNamespace, isAcked, merge } from './acked.js';
import type { Log } from './log.js';
import type { Mailboxes } from './mailboxes.js';
import type { Entry } from './message.js';
import type { Device } from './outbox.js';
import type { PushStore } from './push-store.js';

/** How long acknowledgements are gathered before they are written. */
const GATHERED_MS = 30;
/** After what time a failed write is made again. */
const RETRY_MS = 2000;
/** Devices that one database call writes. */
const GROUP_MAX = 1000;
/** How long a cursor that nothing happens to stays in memory. */
const IDLE_MS = 30_000;

/** What a device with a socket on this node has acknowledged, as far as this node knows. */
export interface Cursor {
  readonly device: Device;
  acked: AckedByNamespace;
  /** Messages up to this position were never meant for the device. */
  start: number;
  /** By namespace: the highest position that was offered to a socket. */
  sent: Record<string, number>;
  /** That of the database when it was last read or written; `undefined`: not known. */
  revision: number | undefined;
  /** Differs from what is stored. */
  isDirty: boolean;
  /** Messages whose end is to be noted in the log. */
  ended: { entry: Entry; at: number; loss?: 'ttl' }[];
  usedAt: number;
}

interface Dependencies {
  mailboxes: Mailboxes;
  log: Log;
  pushStore: PushStore;
  logger: Logger;
  now(): number;
  /** The database knows nothing of this device any more, though it is connected. */
  onForgotten(cursor: Cursor): Promise<void>;
}

/**
 * Keeps cursors in memory, and writes them a few tens of milliseconds after an acknowledgement, those of all devices
 * together. A write that is lost with its node makes messages come again, which is promised; so none has to be waited for.
 */
export function createCursors({ mailboxes, log, pushStore, logger, now, onForgotten }: Dependencies) {
  const cursors = new Map<string, Cursor>();
  const dirty = new Set<Cursor>();
  let timer: NodeJS.Timeout | undefined;
  let writing: Promise<void> | undefined;

  const keyOf = ({ recipient, deviceId }: Device): string => JSON.stringify([recipient, deviceId]);

  const schedule = (delayMs: number): void => {
    timer ??= setTimeout(() => void flush(), delayMs).unref();
  };

  const touch = (cursor: Cursor): void => {
    cursor.usedAt = now();
    dirty.add(cursor);
    if (writing === undefined) schedule(GATHERED_MS);
  };

  /** Writes everything that is there to be written. Never rejects: what fails stays to be written. */
  const flush = async (): Promise<void> => {
    clearTimeout(timer);
    timer = undefined;
    while (writing !== undefined) await writing;
    if (dirty.size === 0) return;
    const batch = [...dirty].slice(0, GROUP_MAX);
    for (const cursor of batch) dirty.delete(cursor);
    writing = write(batch).finally(() => {
      writing = undefined;
    });
    await writing;
    if (dirty.size > 0) schedule(GATHERED_MS);
  };

  const write = async (batch: readonly Cursor[]): Promise<void> => {
    const taken = batch.map((cursor) => ({ cursor, ended: cursor.ended, isDirty: cursor.isDirty }));
    for (const { cursor } of taken) Object.assign(cursor, { ended: [], isDirty: false });
    try {
      const changed = taken.flatMap(({ cursor, isDirty }) => (isDirty ? cursor : []));
      const pushed = taken.flatMap(({ ended }) => ended.flatMap(({ entry: { id, hasPush } }) => (hasPush ? id : [])));
      await Promise.all([writeEnds(taken), writeCursors(changed), pushStore.remove(pushed)]);
    } catch (error) {
      logger.warn({ err: error }, 'delivery: acknowledgements were not stored; trying again');
      for (const { cursor, ended, isDirty } of taken) {
        cursor.ended = [...ended, ...cursor.ended];
        cursor.isDirty ||= isDirty;
        dirty.add(cursor);
      }
      timer = setTimeout(() => void flush(), RETRY_MS).unref();
    }
  };

  /**
   * One update for all cursors. Each is written only if its device is stored as it was when it was read last; those that
   * another node has changed meanwhile are read together, merged and written again.
   */
  const writeCursors = async (changed: readonly Cursor[]): Promise<void> => {
    const unread = changed.filter(({ revision }) => revision === undefined);
    const known = changed.filter(({ revision }) => revision !== undefined);
    let left = unread.length === 0 ? known : [...known, ...(await mergeStored(unread))];
    while (left.length > 0) {
      const updates = left.map(({ device, revision = 0, acked, sent }) =>
        mailboxes.toChange(device, revision, { acked, sent }),
      );
      const { matchedCount } = await mailboxes.collection.bulkWrite(updates as never, { ordered: false });
      if (matchedCount === left.length) {
        for (const cursor of left) cursor.revision = (cursor.revision ?? 0) + 1;
        return;
      }
      left = await mergeStored(left);
    }
  };

  /** Merges what is stored into cursors. @returns those that know more than is stored */
  const mergeStored = async (stale: readonly Cursor[]): Promise<Cursor[]> => {
    const found = await mailboxes.find(stale.map(({ device }) => device.recipient));
    const changed: Cursor[] = [];
    for (const cursor of stale) {
      const { recipient, deviceId } = cursor.device;
      const stored = found.get(recipient)?.devices.find(({ id }) => id === deviceId);
      if (stored === undefined) {
        await onForgotten(cursor);
        continue;
      }
      cursor.acked = merge(stored.acked, cursor.acked);
      cursor.sent = highest(stored.sent, cursor.sent);
      cursor.start = Math.max(cursor.start, stored.start);
      cursor.revision = stored.revision;
      if (!isDeepStrictEqual([cursor.acked, cursor.sent], [stored.acked, stored.sent])) changed.push(cursor);
    }
    return changed;
  };

  const writeEnds = async (taken: readonly { cursor: Cursor; ended: Cursor['ended'] }[]): Promise<void> => {
    const updates = taken.flatMap(({ cursor: { device }, ended }) => {
      const kept = ended.filter(({ entry, loss }) => entry.keepsReceipt || loss !== undefined);
      return groupsOf(kept).map((end) => log.toEnds(device, end));
    });
    if (updates.length > 0) await log.collection.bulkWrite(updates as never, { ordered: false });
  };

  return {
    /** The cursor of a device; made from what the caller knows if there is none. */
    of(device: Device, initial: Pick<Cursor, 'acked' | 'start' | 'sent' | 'revision'>): Cursor {
      const key = keyOf(device);
      const found = cursors.get(key);
      if (found !== undefined) {
        found.acked = merge(found.acked, initial.acked);
        found.sent = highest(found.sent, initial.sent);
        // With what is stored at this revision among it, the next write may replace that.
        found.revision = initial.revision ?? found.revision;
        found.usedAt = now();
        return found;
      }
      const made: Cursor = { device, ...initial, isDirty: false, ended: [], usedAt: now() };
      cursors.set(key, made);
      return made;
    },

    /** Takes what a device has acknowledged. */
    acknowledge(cursor: Cursor, claims: AckedByNamespace, entries: readonly Entry[]): void {
      const at = now();
      for (const entry of entries) {
        if (!isAcked(cursor.acked, cursor.start, entry) && (entry.keepsReceipt || entry.hasPush)) {
          cursor.ended.push({ entry, at });
        }
      }
      cursor.acked = merge(cursor.acked, claims);
      cursor.isDirty = true;
      touch(cursor);
      // An acknowledgement cancels the push: other nodes have to know of it now.
      if (entries.some(({ hasPush }) => hasPush)) void flush();
    },

    /** The time of a message is over before it was sent. */
    lose(cursor: Cursor, entry: Entry): void {
      cursor.ended.push({ entry, at: entry.expireAt ?? now(), loss: 'ttl' });
      touch(cursor);
    },

    /** A message was offered to a socket. */
    markSent(cursor: Cursor, { namespace, position, keepsReceipt }: Entry): void {
      cursor.usedAt = now();
      if (!keepsReceipt) return;
      cursor.sent[namespace] = Math.max(position, cursor.sent[namespace] ?? 0);
      cursor.isDirty = true;
      touch(cursor);
    },

    flush,

    /** Forgets cursors that are stored and that nothing has happened to for a while. */
    forgetIdle(isUsed: (device: Device) => boolean): void {
      for (const [key, cursor] of cursors) {
        const isIdle = !dirty.has(cursor) && !cursor.isDirty && now() - cursor.usedAt >= IDLE_MS;
        if (isIdle && !isUsed(cursor.device)) cursors.delete(key);
      }
    },
  };
}

const highest = (one: Readonly<Record<string, number>>, other: Readonly<Record<string, number>>) => {
  const result: Record<string, number> = { ...one };
  for (const [name, value] of Object.entries(other)) result[name] = Math.max(value, result[name] ?? 0);
  return result;
};

/** What ended at the same time for the same reason is one update. */
function groupsOf(ended: Cursor['ended']) {
  const groups = new Map<string, { positions: number[]; at: number; loss?: 'ttl' }>();
  for (const { entry, at, loss } of ended) {
    const key = `${at} ${loss ?? ''}`;
    const group = groups.get(key) ?? { positions: [], at, ...(loss && { loss }) };
    group.positions.push(entry.position);
    groups.set(key, group);
  }
  return [...groups.values()];
}

import type { Clock } from '../../platform/clock.js';
import { type Fate, fatesOf, type LoggedEntry } from './fates.js';
import type { Log } from './log.js';
import type { Mailbox, Mailboxes } from './mailboxes.js';
import { PURGED } from './message.js';

/** Entries that one round looks at. */
const ROUND_MAX = 1000;
/** Times are rounded up to this, so that entries of about the same time are one update. */
const GRAIN_MS = 30_000;
/** When an entry that somebody still needs is looked at again, at the earliest. */
const AGAIN_MS = 600_000;

interface Dependencies {
  log: Log;
  mailboxes: Mailboxes;
  clock: Clock;
  /** How long what became of a message can be asked for after its end. */
  receiptTtlMs: number;
}

type CheckedEntry = LoggedEntry & { readonly _id: string; readonly recipient: string };

/**
 * @returns deletes entries that have come to their end on every device, once their receipts are of no use any more. Entries
 * that are due to be looked at are found by an index, so this costs nothing while there are none. Any node may do it.
 */
export function createPurge({ log, mailboxes, clock, receiptTtlMs }: Dependencies) {
  const { collection } = log;

  /** When an entry may be deleted, or has to be looked at again. */
  const checkAtOf = (entry: CheckedEntry, mailbox: Mailbox): number => {
    const now = clock.now();
    const fates = fatesOf(entry, mailbox, now);
    if (!fates.every(isOver)) return Math.ceil((now + Math.max(AGAIN_MS, receiptTtlMs)) / GRAIN_MS) * GRAIN_MS;
    const isKept = entry.keepsReceipt === true || fates.some(({ state }) => state === 'expired');
    const endedAt = Math.max(entry.createdAt.getTime(), ...fates.map(({ at }) => at.getTime()));
    return isKept ? Math.ceil((endedAt + receiptTtlMs) / GRAIN_MS) * GRAIN_MS : now;
  };

  /**
   * Deletes entries. The highest of each recipient stays behind without its content: the last entry of a log always tells
   * the last position that was given.
   */
  const remove = async (entries: readonly CheckedEntry[]): Promise<void> => {
    if (entries.length === 0) return;
    const tops = new Map<string, CheckedEntry>();
    for (const entry of entries) {
      if (entry.position > (tops.get(entry.recipient)?.position ?? 0)) tops.set(entry.recipient, entry);
    }
    const kept = new Set([...tops.values()].map(({ _id }) => _id));
    const ids = entries.flatMap(({ _id }) => (kept.has(_id) ? [] : _id));
    const operations = [...tops.values()].flatMap(({ _id, recipient, position }) => [
      { replaceOne: { filter: { _id, recipient, position }, replacement: { recipient, position, namespace: PURGED } } },
      { deleteMany: { filter: { recipient, position: { $lt: position }, namespace: PURGED } } },
    ]);
    await collection.bulkWrite([...operations, { deleteMany: { filter: { _id: { $in: ids } } } }] as never);
  };

  const round = async (): Promise<number> => {
    const now = clock.now();
    const found = await collection
      .find({ checkAt: { $lte: new Date(now) } }, { projection: { body: 0 } })
      .sort({ checkAt: 1 })
      .limit(ROUND_MAX)
      .toArray();
    if (found.length === 0) return 0;
    const entries = found as unknown as CheckedEntry[];
    const byRecipient = new Map<string, CheckedEntry[]>();
    for (const entry of entries) addTo(byRecipient, entry.recipient, entry);
    const known = await mailboxes.find([...byRecipient.keys()]);
    const later = new Map<number, string[]>();
    const over: CheckedEntry[] = [];
    for (const [recipient, own] of byRecipient) {
      const mailbox = known.get(recipient) ?? mailboxes.nobody;
      for (const entry of own) {
        const checkAt = checkAtOf(entry, mailbox);
        if (checkAt <= now) over.push(entry);
        else addTo(later, checkAt, entry._id);
      }
    }
    await remove(over);
    for (const [checkAt, ids] of later) {
      await collection.updateMany({ _id: { $in: ids as never[] } }, { $set: { checkAt: new Date(checkAt) } });
    }
    return entries.length;
  };

  return async (): Promise<void> => {
    while ((await round()) === ROUND_MAX);
  };
}

function addTo<K, V>(groups: Map<K, V[]>, key: K, value: V): void {
  const group = groups.get(key);
  if (group === undefined) groups.set(key, [value]);
  else group.push(value);
}

const isOver = ({ state }: Fate): boolean => state === 'acked' || state === 'expired';

import type { mongo } from 'mongoose';
import { isDuplicateKey } from '../../../platform/mongo/duplicate-key.js';
import type { Clock } from '../../../platform/time/clock.js';
import { parseRecipient } from '../message.js';
import { PURGED } from '../storage/entry.js';
import type { Log } from '../storage/log.js';
import { EMPTY_MAILBOX } from '../storage/mailbox.js';
import { type Mailboxes, toFlagUpdate } from '../storage/mailboxes.js';
import { type DeviceOutcome, type LoggedEntry, outcomesOf } from '../storage/outcomes.js';
import { recipientOfStored } from '../storage/sound-entry.js';

/** Entries that one round reads. */
const ROUND_MAX = 1000;
/** Times are rounded up to this, so that entries of about the same time are one update. */
const GRAIN_MS = 30_000;
/** An entry that a device still needs is looked at again after this, at the earliest. */
const RECHECK_MS = 600_000;

interface Dependencies {
  readonly log: Log;
  readonly mailboxes: Mailboxes;
  readonly clock: Clock;
  /** How long the status of a message can be queried after its end. */
  readonly receiptTtlMs: number;
}

type CheckedEntry = LoggedEntry & { readonly _id: string; readonly recipient: string };

/**
 * Deletes entries that no device needs any more, once their receipts have expired. An index finds the entries that are due,
 * so it costs nothing while there are none. Any node may run it at any time.
 */
export class Purge {
  readonly #log: Log;
  readonly #mailboxes: Mailboxes;
  readonly #clock: Clock;
  readonly #receiptTtlMs: number;

  constructor({ log, mailboxes, clock, receiptTtlMs }: Dependencies) {
    this.#log = log;
    this.#mailboxes = mailboxes;
    this.#clock = clock;
    this.#receiptTtlMs = receiptTtlMs;
  }

  async run(): Promise<void> {
    while ((await this.#round()) === ROUND_MAX);
  }

  /** @returns how many entries were due, up to {@link ROUND_MAX} */
  async #round(): Promise<number> {
    const now = this.#clock.now();
    const found = await this.#log.collection
      .find({ checkAt: { $lte: new Date(now) } }, { projection: { body: 0 } })
      .sort({ checkAt: 1 })
      .limit(ROUND_MAX)
      .toArray();
    const entries = found.flatMap((document) => {
      if (recipientOfStored(document) === undefined) return [];
      // By the id as it is stored: it is found by that.
      return { ...(this.#log.sound<CheckedEntry>(document) as CheckedEntry), _id: document._id as unknown as string };
    });
    if (found.length === 0) return 0;
    if (entries.length < found.length) await this.#giveUp(found.filter((one) => recipientOfStored(one) === undefined));
    const mailboxes = await this.#mailboxes.find(entries.map(({ recipient }) => recipient));
    const done: CheckedEntry[] = [];
    const losses = new Map<string, ReturnType<typeof toFlagUpdate>>();
    const idsByTime = new Map<number, string[]>();
    for (const entry of entries) {
      const outcomes = outcomesOf(entry, mailboxes.get(entry.recipient) ?? EMPTY_MAILBOX, now);
      const checkAt = this.#nextCheckAt(entry, outcomes);
      if (checkAt <= now) {
        done.push(entry);
        for (const { device, isUnstored } of outcomes) {
          if (isUnstored === true)
            losses.set(JSON.stringify([entry.recipient, device]), toFlagUpdate(entry.recipient, device));
        }
      } else if (idsByTime.get(checkAt)?.push(entry._id) === undefined) idsByTime.set(checkAt, [entry._id]);
    }
    if (await this.#flag([...losses.values()])) await this.#delete(done);
    for (const [checkAt, ids] of idsByTime) {
      await this.#log.collection.updateMany({ _id: { $in: ids as never[] } }, { $set: { checkAt: new Date(checkAt) } });
    }
    return found.length;
  }

  /** Deletes entries that cannot be sent. If one names its recipient, the devices of that user get `_resync`. */
  async #giveUp(documents: readonly mongo.Document[]): Promise<void> {
    const flags: ReturnType<typeof toFlagUpdate>[] = [];
    for (const document of documents) {
      this.#log.sound(document);
      const key = String(document['recipient']);
      if (document['namespace'] === PURGED || parseRecipient(key) === undefined) continue;
      const { devices } = await this.#mailboxes.get(key);
      flags.push(...(devices.length === 0 ? [null] : devices.map(({ id }) => id)).map((id) => toFlagUpdate(key, id)));
    }
    if (!(await this.#flag(flags))) return;
    const ids = documents.map(({ _id }) => ({ _id: { $eq: _id } }));
    await this.#log.collection.deleteMany({ $or: ids } as never);
  }

  /**
   * Flags devices that never got what is deleted, before that: afterwards nothing records that they lost it.
   * @returns whether all are flagged; not if the first device of a recipient has just connected
   */
  async #flag(losses: readonly ReturnType<typeof toFlagUpdate>[]): Promise<boolean> {
    if (losses.length === 0) return true;
    try {
      await this.#mailboxes.collection.bulkWrite(losses as never, { ordered: false });
      return true;
    } catch (error) {
      if (!isDuplicateKey(error)) throw error;
      return false;
    }
  }

  /** Unix time in milliseconds at which an entry can be deleted, or is looked at again. */
  #nextCheckAt(entry: CheckedEntry, outcomes: readonly DeviceOutcome[]): number {
    const now = this.#clock.now();
    if (!outcomes.every(isFinal)) return roundUp(now + Math.max(RECHECK_MS, this.#receiptTtlMs));
    const isKept = entry.keepsReceipt === true || outcomes.some(({ state }) => state === 'expired');
    if (!isKept) return now;
    const endedAt = Math.max(entry.createdAt.getTime(), ...outcomes.map(({ at }) => at.getTime()));
    return roundUp(endedAt + this.#receiptTtlMs);
  }

  /** The highest entry of each recipient stays without its content: the last entry of a log proves its last position. */
  async #delete(entries: readonly CheckedEntry[]): Promise<void> {
    if (entries.length === 0) return;
    const tops = new Map<string, CheckedEntry>();
    for (const entry of entries) {
      if (entry.position > (tops.get(entry.recipient)?.position ?? 0)) tops.set(entry.recipient, entry);
    }
    const operations = [...tops.values()].flatMap(({ _id, recipient, position }) => [
      { replaceOne: { filter: { _id, recipient, position }, replacement: { recipient, position, namespace: PURGED } } },
      { deleteMany: { filter: { recipient, position: { $lt: position }, namespace: PURGED } } },
    ]);
    const ids = entries.flatMap((entry) => (tops.get(entry.recipient) === entry ? [] : entry._id));
    await this.#log.collection.bulkWrite([...operations, { deleteMany: { filter: { _id: { $in: ids } } } }] as never);
  }
}

const roundUp = (time: number): number => Math.ceil(time / GRAIN_MS) * GRAIN_MS;

const isFinal = ({ state }: DeviceOutcome): boolean => state === 'acked' || state === 'expired';

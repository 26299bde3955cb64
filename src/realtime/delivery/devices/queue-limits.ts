import { isDuplicateKey } from '../../../platform/mongo/duplicate-key.js';
import type { Clock } from '../../../platform/time/clock.js';
import type { KeyedRecipient } from '../message.js';
import type { Entry } from '../storage/entry.js';
import type { Log } from '../storage/log.js';
import type { StoredDevice } from '../storage/mailbox.js';
import {
  type Device,
  type Mailboxes,
  toExpiration,
  toExpirationUpdate,
  withAckedThrough,
} from '../storage/mailboxes.js';
import { toPendingFilter } from '../storage/pending.js';
import { isPosition } from '../storage/sound-entry.js';
import type { OnCut } from './cuts.js';

/** Full queues are trimmed each time this share of the limit was stored. */
const TRIMS_PER_LIMIT = 100;
/** Recipients whose next trim is remembered. Beyond that the least recently trimmed one is forgotten. */
const RECIPIENTS_MAX = 20_000;

interface Dependencies {
  readonly mailboxes: Mailboxes;
  readonly log: Log;
  readonly clock: Clock;
  /** Messages that may wait for a device. */
  readonly max: number;
  readonly onCut: OnCut;
}

/** Why a queue is cleared. */
interface Clearing {
  readonly reason: 'resync' | 'cleared';
  /** Decides it by what is stored. */
  isNeeded(stored: StoredDevice): boolean;
}

/** A device after its queue was trimmed. */
interface TrimmedDevice {
  readonly stored: StoredDevice;
  /** It has lost messages, now or before, and was not notified. */
  readonly needsResync: boolean;
}

/** Bounds what waits for a device: beyond the limit the oldest messages expire, and the device is flagged for `_resync`. */
export class QueueLimits {
  readonly #mailboxes: Mailboxes;
  readonly #log: Log;
  readonly #clock: Clock;
  readonly #max: number;
  readonly #onCut: OnCut;
  readonly #trimEvery: number;
  /** By recipient: no queue can exceed the limit before this position. The least recently trimmed one comes first. */
  readonly #nextTrims = new Map<string, number>();

  constructor({ mailboxes, log, clock, max, onCut }: Dependencies) {
    this.#mailboxes = mailboxes;
    this.#log = log;
    this.#clock = clock;
    this.#max = max;
    this.#onCut = onCut;
    this.#trimEvery = Math.max(1, Math.floor(max / TRIMS_PER_LIMIT));
  }

  /** Whether the queues of a recipient are to be trimmed when a position was stored. */
  isDue({ recipient, position }: Pick<Entry, 'recipient' | 'position'>): boolean {
    const next = this.#nextTrims.get(recipient.key);
    return next === undefined ? position > this.#max && position % this.#trimEvery === 0 : position >= next;
  }

  /**
   * Trims every queue of a recipient that exceeds the limit. A queue grows by one message for each position at most, so those
   * that have room are not counted again before it can be used up.
   * @param position the last one that is known to be stored
   */
  async trim(recipient: KeyedRecipient, position: number): Promise<void> {
    // Until the queues are counted.
    this.#planTrim(recipient, position + this.#trimEvery);
    const { devices, start } = await this.#mailboxes.get(recipient.key);
    const queues = devices.length === 0 ? [{ id: '', start, acked: {} }] : devices;
    let longest = 0;
    for (const queue of queues) {
      const waiting = await this.#count(queue, recipient);
      longest = Math.max(longest, waiting);
      if (waiting <= this.#max) continue;
      if (devices.length === 0) await this.#trimUnclaimed(recipient, start);
      else await this.trimDevice({ recipient, deviceId: queue.id });
    }
    this.#planTrim(recipient, position + Math.max(0, this.#max - longest) + this.#trimEvery);
  }

  /** Trims the queue of one device. @returns `undefined`: there is no such device */
  async trimDevice(device: Device): Promise<TrimmedDevice | undefined> {
    const { devices, resyncFlags } = await this.#mailboxes.get(device.recipient.key);
    const known = devices.find(({ id }) => id === device.deviceId);
    if (known === undefined) return undefined;
    const excess = await this.#lastExcess(known, device.recipient);
    if (excess === undefined) return { stored: known, needsResync: resyncFlags.includes(device.deviceId) };
    const stored = await this.#mailboxes.change(device, (before) => ({
      ...withAckedThrough(before, excess),
      expiration: toExpiration(before, excess, { reason: 'overflow', now: this.#clock.now() }),
      needsResync: true,
    }));
    this.#onCut(device, 'overflow');
    return stored && { stored, needsResync: true };
  }

  /**
   * Clears the queue of a device, and flags it.
   * @returns the device after that; `undefined`: it was not needed, or there is no such device
   */
  async clear(device: Device, { reason, isNeeded }: Clearing): Promise<StoredDevice | undefined> {
    const last = await this.#log.readLast(device.recipient.key);
    let isCleared = false;
    const stored = await this.#mailboxes.change(device, (before) => {
      isCleared = isNeeded(before);
      if (!isCleared) return undefined;
      const expiration = toExpiration(before, last, { reason, now: this.#clock.now() });
      return { ...withAckedThrough(before, last), expiration, needsResync: true };
    });
    if (!isCleared) return undefined;
    this.#onCut(device, reason);
    return stored;
  }

  /** What waits for the first device is bounded too. */
  async #trimUnclaimed(recipient: KeyedRecipient, start: number): Promise<void> {
    const unclaimed = { id: null, start, acked: {} };
    const excess = await this.#lastExcess({ ...unclaimed, id: '' }, recipient);
    if (excess === undefined) return;
    const expiration = toExpiration(unclaimed, excess, { reason: 'overflow', now: this.#clock.now() });
    const unchanged = {
      _id: recipient.key,
      'devices.0': { $exists: false },
      $or: [{ start }, { start: { $exists: false } }],
    };
    const flag = { $addToSet: { resyncFlags: null } };
    const update = { $set: { start: excess }, ...flag, ...toExpirationUpdate(expiration) };
    await this.#mailboxes.collection
      .updateOne(unchanged as never, update as never, { upsert: true })
      .catch((error: unknown) => {
        // A device has connected, or another node has trimmed it.
        if (!isDuplicateKey(error)) throw error;
      });
  }

  #planTrim({ key }: KeyedRecipient, position: number): void {
    this.#nextTrims.delete(key);
    this.#nextTrims.set(key, position);
    if (this.#nextTrims.size > RECIPIENTS_MAX) this.#nextTrims.delete(this.#nextTrims.keys().next().value as string);
  }

  /** How many messages wait for a device; those beyond the limit count as one. */
  #count(device: Pick<StoredDevice, 'id' | 'start' | 'acked'>, recipient: KeyedRecipient): Promise<number> {
    const filter = toPendingFilter(device, { recipient: recipient.key, now: this.#clock.now() });
    return this.#log.collection.countDocuments(filter, { limit: this.#max + 1 });
  }

  /** The newest position that is beyond the limit; `undefined`: none is. */
  async #lastExcess(device: Pick<StoredDevice, 'id' | 'start' | 'acked'>, recipient: KeyedRecipient) {
    const filter = toPendingFilter(device, { recipient: recipient.key, now: this.#clock.now() });
    const newestFirst = { projection: { _id: 0, position: 1 }, sort: { position: -1 }, skip: this.#max } as const;
    const excess = await this.#log.collection.findOne(filter, newestFirst);
    return isPosition(excess?.['position']) ? excess['position'] : undefined;
  }
}

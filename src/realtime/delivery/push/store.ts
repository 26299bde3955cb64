import type { Collection, Model, mongo } from 'mongoose';
import type { DeliveryPush } from '#shared/models/delivery.js';
import { isPlain, noteFaults, readBoolean, readDate } from '../../../models/index.js';
import { type PushNotification, toFitting } from '../../../platform/fcm/notification.js';
import type { Clock } from '../../../platform/time/clock.js';
import { newId } from '../message.js';
import { STORING_MAX_MS } from '../storage/log.js';
import { isTime } from '../storage/sound-entry.js';

/** Lease on a claimed push; extended while it is being sent. */
export const LEASE_MS = 60_000;
/**
 * When a lease has expired its holder has this long to answer before another node takes the push. It is longer than the
 * interval at which leases are extended, so a holder that is alive answers in time even if its clock is behind or the database
 * was away.
 */
const GRACE_MS = LEASE_MS / 2;
/**
 * A push is stored before its message. Until the message is stored the push is not due, at most for as long as a message may take
 * to be stored. So a push is not claimed before its message exists, and is found if its node ends in between.
 */
const HOLD_MS = STORING_MAX_MS;
/** An older push is of no use. */
const PUSH_TTL_MS = 24 * 60 * 60 * 1000;

/** A push that is to be sent. */
export interface NewPush {
  readonly userIds: readonly string[];
  /** Its `data.id` is the id of the push: there is one for each message. */
  readonly notification: PushNotification;
  /** It represents a durable message, so it is dropped when that is acknowledged or has expired. */
  readonly isFallback: boolean;
  readonly afterMs: number;
}

/** A push that is due and claimed by this node. */
export interface DuePush extends Omit<NewPush, 'afterMs'> {
  readonly id: string;
  /** This attempt included. */
  readonly attempts: number;
  /** Tokens that are still to be sent to. Absent: all tokens of the users. */
  readonly tokens: readonly string[] | undefined;
  /** FCM has accepted it for at least one token. */
  readonly isShown: boolean;
  /** Tokens that FCM refuses for good, to be removed from the users. */
  readonly refused: readonly string[];
  /** Unix time in milliseconds. */
  readonly createdAt: number;
  /** Proves that this node holds this claim. */
  readonly lease: string;
}

/** A claim on a push. */
export type HeldPush = Pick<DuePush, 'id' | 'lease'>;

/** What FCM has responded so far, in all attempts. */
export type PushProgress = Pick<DuePush, 'isShown' | 'refused'> & { readonly tokens: readonly string[] };

/** When a push is to be tried again. */
interface NextAttempt {
  /** Unix time in milliseconds. */
  readonly dueAt: number;
  readonly attempts?: number;
}

/** The pushes that are due, or will be, in the database. */
export class PushStore {
  readonly #model: object;
  readonly #collection: Collection;
  readonly #clock: Clock;
  readonly #listeners: ((dueAt: number) => void)[] = [];

  constructor({ model, clock }: { model: Model<DeliveryPush>; clock: Clock }) {
    this.#model = model;
    this.#collection = model.collection;
    this.#clock = clock;
  }

  /** Calls `listener` with the time at which a push of this node becomes due. */
  onAnnounced(listener: (dueAt: number) => void): void {
    this.#listeners.push(listener);
  }

  /**
   * Makes pushes due in time, and notifies the listeners. To be called when the messages that they represent are stored. If it
   * fails, pushes are sent up to {@link HOLD_MS} late.
   */
  async release(pushes: readonly NewPush[]): Promise<void> {
    if (pushes.length === 0) return;
    const now = this.#clock.now();
    // Not one that was claimed or sent before: a call can be repeated.
    const updates = pushes.filter(isHeld).map(({ notification, afterMs }) => ({
      updateOne: {
        filter: { _id: notification.data.id, attempts: 0, lease: { $exists: false } },
        update: { $set: { dueAt: new Date(now + afterMs) } },
      },
    }));
    if (updates.length > 0) await this.#collection.bulkWrite(updates as never, { ordered: false });
    const dueAt = now + Math.min(...pushes.map(({ afterMs }) => afterMs));
    for (const listener of this.#listeners) listener(dueAt);
  }

  /** Stores pushes, with texts that fit into what FCM accepts. One that is stored already stays as it is. */
  async add(pushes: readonly NewPush[]): Promise<void> {
    if (pushes.length === 0) return;
    const now = this.#clock.now();
    const operations = pushes.map((push) => ({
      updateOne: {
        filter: { _id: push.notification.data.id },
        update: { $setOnInsert: toStored(push, now) },
        upsert: true,
      },
    }));
    await this.#collection.bulkWrite(operations as never, { ordered: false });
  }

  /** Removes pushes that were sent, or are not needed any more. */
  async remove(ids: readonly string[]): Promise<void> {
    if (ids.length > 0) await this.#collection.deleteMany({ _id: { $in: [...new Set(ids)] as never[] } });
  }

  /**
   * Claims the push that has been due for the longest time; only one node gets it. When the lease of its holder has expired
   * the holder first has {@link GRACE_MS} to answer: it may have sent the push and be unable to store that.
   */
  async claim(): Promise<DuePush | undefined> {
    const lease = newId();
    for (;;) {
      const now = this.#clock.now();
      const isDue = { dueAt: { $lte: new Date(now) } };
      const due = await this.#collection.findOne(isDue, { projection: { dueAt: 1 }, sort: { dueAt: 1 } });
      if (due === null) return undefined;
      // By its id, because a cluster of shards changes one document only by its shard key.
      const claimed = await this.#collection.findOneAndUpdate(
        { _id: due._id, ...isDue },
        [{ $set: toClaim(lease, now) }],
        { returnDocument: 'after' },
      );
      // Otherwise another node was faster.
      if (claimed?.['lease'] !== lease) continue;
      const push = toDue(claimed);
      if (push !== undefined) return { ...push, lease };
      noteFaults(this.#model, claimed, ['notification']);
      await this.remove([String(claimed._id)]);
    }
  }

  /** Extends the lease of a push. */
  async extend(push: HeldPush): Promise<void> {
    await this.#collection.updateOne(heldBy(push), { $set: leasedFrom(this.#clock.now()) });
  }

  /**
   * Stores what FCM has responded. Whatever fails after that, the push is not sent to the same tokens again.
   * @returns whether this node still holds the push
   */
  async record(push: HeldPush, progress: PushProgress): Promise<boolean> {
    const update = { $set: { ...toFields(progress), ...leasedFrom(this.#clock.now()) } };
    return (await this.#collection.findOneAndUpdate(heldBy(push), update, { projection: { _id: 1 } })) !== null;
  }

  /**
   * Stores it for another node, which cannot reach the database. The lease stays as it is: when it has expired another node takes
   * the push, and does what the holder cannot.
   */
  async recordForHolder(push: HeldPush, progress: PushProgress): Promise<void> {
    await this.#collection.updateOne(heldBy(push), { $set: toFields(progress) });
  }

  /** Releases a push until its next attempt, unless another node has taken it. */
  async putOff(push: DuePush, { dueAt, attempts = push.attempts }: NextAttempt): Promise<void> {
    const $set = { dueAt: new Date(dueAt), attempts, isContested: false };
    await this.#collection.updateOne(heldBy(push), { $set, $unset: { lease: '' } });
  }

  /** Unix time in milliseconds at which the next push becomes due, or the next lease expires. */
  async nextDueAt(): Promise<number | undefined> {
    const [next] = await this.#collection
      .find({}, { projection: { dueAt: 1 } })
      .sort({ dueAt: 1 })
      .limit(1)
      .toArray();
    if (next === undefined) return undefined;
    const dueAt: unknown = next['dueAt'];
    if (isTime(dueAt)) return dueAt.getTime();
    // No query for what is due finds one without a time, which stands before all others in the index.
    const now = this.#clock.now();
    noteFaults(this.#model, next, ['dueAt']);
    await this.#collection.updateMany({ dueAt: { $not: { $type: 'date' } } } as never, {
      $set: { dueAt: new Date(now) },
    });
    return now;
  }
}

/** Whether a push becomes due only when its message is stored. */
const isHeld = ({ isFallback, afterMs }: Pick<NewPush, 'isFallback' | 'afterMs'>): boolean =>
  isFallback && afterMs < HOLD_MS;

const toStored = ({ afterMs, notification, ...push }: NewPush, now: number) => ({
  ...push,
  notification: JSON.stringify(toFitting(notification)),
  attempts: 0,
  createdAt: new Date(now),
  dueAt: new Date(now + (isHeld({ ...push, afterMs }) ? HOLD_MS : afterMs)),
  purgeAt: new Date(now + afterMs + PUSH_TTL_MS),
});

const NUMBERS = ['int', 'long', 'double'];

/** The fields of a push that is claimed, or whose holder is asked to answer. */
function toClaim(lease: string, now: number) {
  const isFree = { $or: [{ $eq: [{ $type: '$lease' }, 'missing'] }, { $eq: ['$isContested', true] }] };
  const either = (free: unknown, held: unknown) => ({ $cond: [isFree, free, held] });
  return {
    lease: either(lease, '$lease'),
    attempts: either(
      { $add: [{ $cond: [{ $in: [{ $type: '$attempts' }, NUMBERS] }, '$attempts', 0] }, 1] },
      '$attempts',
    ),
    dueAt: either(new Date(now + LEASE_MS), new Date(now + GRACE_MS)),
    isContested: either(false, true),
  };
}

const heldBy = ({ id, lease }: HeldPush) => ({ _id: id as never, lease });

const toFields = ({ tokens, isShown, refused }: PushProgress) => ({
  tokens: [...tokens],
  isShown,
  refused: [...refused],
});

const leasedFrom = (now: number) => ({ dueAt: new Date(now + LEASE_MS), isContested: false });

/** @returns `undefined` for what is no notification */
function toDue(stored: mongo.Document): Omit<DuePush, 'lease'> | undefined {
  const { _id, userIds, isFallback, attempts, tokens, isShown, refused, createdAt } = stored;
  const notification = parseNotification(stored['notification']);
  if (notification === undefined) return undefined;
  return {
    id: String(_id),
    userIds: toTexts(userIds),
    isFallback: readBoolean(isFallback) ?? true,
    attempts: Number(attempts),
    // Those of the users, when it is not known which are left.
    tokens: Array.isArray(tokens) ? toTexts(tokens) : undefined,
    isShown: readBoolean(isShown) === true,
    refused: toTexts(refused),
    notification,
    createdAt: readDate(createdAt)?.getTime() ?? 0,
  };
}

const toTexts = (value: unknown): string[] => [value].flat().filter((one) => typeof one === 'string');

function parseNotification(stored: unknown): PushNotification | undefined {
  try {
    const { title, body, data }: Partial<PushNotification> = JSON.parse(String(stored));
    const isComplete = typeof title === 'string' && typeof body === 'string' && isPlain(data);
    return isComplete ? { title, body, data } : undefined;
  } catch {
    return undefined;
  }
}

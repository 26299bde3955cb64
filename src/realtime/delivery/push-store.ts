import type { Model } from 'mongoose';
import type { DeliveryPush } from '#shared/models/delivery.js';
import type { Clock } from '../../platform/clock.js';
import { type PushNotification, toFitting } from '../../platform/fcm/notification.js';
import { newId } from './message.js';

/** How long a node holds a push without extending its lease. */
export const LEASE_MS = 60_000;
/**
 * How long the holder of an expired lease has to answer before another node takes the push. It is longer than the interval
 * at which leases are extended, so a holder answers in time even if its clock is behind or the database was away.
 */
const GRACE_MS = LEASE_MS / 2;
/** A push that is older is of no use. */
const PUSH_TTL_MS = 24 * 60 * 60 * 1000;

/** A push that is to be sent. */
export interface NewPush {
  readonly userIds: readonly string[];
  /** Its `data.id` names the push: there is one for each message. */
  readonly notification: PushNotification;
  /** It stands for a message in a mailbox: of no use once that has been acknowledged or is over. */
  readonly isFallback: boolean;
  readonly afterMs: number;
}

/** A push that is due, and taken by this node. */
export interface DuePush extends Omit<NewPush, 'afterMs'> {
  readonly id: string;
  /** Which tries there were, this one among them. */
  readonly attempts: number;
  /** Tokens that are still to be sent to, `[]` for none; absent: all tokens of the users. */
  readonly tokens: readonly string[] | undefined;
  /** FCM accepted it for at least one token. */
  readonly isShown: boolean;
  /** Tokens that FCM refuses for good, to be removed from the users. */
  readonly refused: readonly string[];
  readonly createdAt: number;
  /** Proves that it was this node that took it, this time. */
  readonly lease: string;
}

/** Which push, and by which claim it is held. */
export type HeldPush = Pick<DuePush, 'id' | 'lease'>;

/** What FCM has answered so far, in all attempts. */
export type PushProgress = Pick<DuePush, 'isShown' | 'refused'> & { readonly tokens: readonly string[] };

/** The pushes that are or will be due, in the database. */
export type PushStore = ReturnType<typeof createPushStore>;

export function createPushStore({ model, clock }: { model: Model<DeliveryPush>; clock: Clock }) {
  const { collection } = model;
  const listeners: ((dueAt: number) => void)[] = [];
  const heldBy = ({ id, lease }: HeldPush) => ({ _id: id as never, lease });

  return {
    /** Calls `listener` with the time at which something of this node's becomes due. */
    onAnnounced: (listener: (dueAt: number) => void): void => void listeners.push(listener),

    /** Says when pushes that were added become due, as soon as what they stand for is stored. */
    announce(pushes: readonly NewPush[]): void {
      if (pushes.length === 0) return;
      const soonest = clock.now() + Math.min(...pushes.map(({ afterMs }) => afterMs));
      for (const listener of listeners) listener(soonest);
    },

    /** Stores pushes, with texts that FCM takes; one that is there already stays as it is. */
    async add(pushes: readonly NewPush[]): Promise<void> {
      if (pushes.length === 0) return;
      const now = clock.now();
      const operations = pushes.map(({ afterMs, notification, ...push }) => ({
        updateOne: {
          filter: { _id: notification.data.id as never },
          update: {
            $setOnInsert: {
              ...{ ...push, notification: JSON.stringify(toFitting(notification)), attempts: 0 },
              createdAt: new Date(now),
              dueAt: new Date(now + afterMs),
              purgeAt: new Date(now + afterMs + PUSH_TTL_MS),
            },
          },
          upsert: true,
        },
      }));
      await collection.bulkWrite(operations as never, { ordered: false });
    },

    /** Takes away what is not needed any more, or done. */
    async remove(ids: readonly string[]): Promise<void> {
      if (ids.length > 0) await collection.deleteMany({ _id: { $in: [...new Set(ids)] as never[] } });
    },

    /**
     * Takes the push that has been due for the longest time: only one node gets it. When it is held by a node whose lease has
     * expired, its holder is first given {@link GRACE_MS} to answer: it may have sent the push and be unable to say so.
     */
    async claim(): Promise<DuePush | undefined> {
      const lease = newId();
      for (;;) {
        const now = clock.now();
        const isFree = { $or: [{ $eq: [{ $type: '$lease' }, 'missing'] }, { $eq: ['$isContested', true] }] };
        const either = (free: unknown, held: unknown) => ({ $cond: [isFree, free, held] });
        const taken = await collection.findOneAndUpdate(
          { dueAt: { $lte: new Date(now) } },
          [
            {
              $set: {
                lease: either(lease, '$lease'),
                attempts: either({ $add: ['$attempts', 1] }, '$attempts'),
                dueAt: either(new Date(now + LEASE_MS), new Date(now + GRACE_MS)),
                isContested: either(false, true),
              },
            },
          ],
          { sort: { dueAt: 1 }, returnDocument: 'after' },
        );
        if (taken === null) return undefined;
        if (taken['lease'] === lease) return { ...toDue(taken as unknown as DeliveryPush), lease };
      }
    },

    /** Says that this node still works on it. */
    async extend(push: DuePush): Promise<void> {
      await collection.updateOne(heldBy(push), { $set: heldFrom(clock.now()) });
    },

    /**
     * Stores what FCM has answered. Everything that follows can fail: it is not sent again to the same tokens.
     * @returns whether this node still holds the push
     */
    async record(push: HeldPush, { tokens, isShown, refused }: PushProgress): Promise<boolean> {
      const progress = { tokens: [...tokens], isShown, refused: [...refused] };
      const update = { $set: { ...progress, ...heldFrom(clock.now()) } };
      return (await collection.findOneAndUpdate(heldBy(push), update, { projection: { _id: 1 } })) !== null;
    },

    /** Lets go of a push until later. Nothing happens if it was taken away meanwhile. */
    async putOff(push: DuePush, { dueAt, attempts = push.attempts }: Later): Promise<void> {
      const $set = { dueAt: new Date(dueAt), attempts, isContested: false };
      await collection.updateOne(heldBy(push), { $set, $unset: { lease: '' } });
    },

    /** When the next one is due, or the lease of one that is taken ends. */
    async nextDueAt(): Promise<number | undefined> {
      const [next] = await collection
        .find({}, { projection: { dueAt: 1 } })
        .sort({ dueAt: 1 })
        .limit(1)
        .toArray();
      return next === undefined ? undefined : (next['dueAt'] as Date).getTime();
    },
  };
}

/** How a push goes on. */
interface Later {
  dueAt: number;
  attempts?: number;
}

const heldFrom = (now: number) => ({ dueAt: new Date(now + LEASE_MS), isContested: false });

const toDue = (stored: DeliveryPush) => ({
  id: String(stored._id),
  userIds: stored.userIds,
  isFallback: stored.isFallback,
  attempts: stored.attempts,
  tokens: stored.tokens ?? undefined,
  isShown: stored.isShown === true,
  refused: stored.refused ?? [],
  notification: JSON.parse(stored.notification) as PushNotification,
  createdAt: stored.createdAt.getTime(),
});

import type { Model } from 'mongoose';
import type { DeliveryPush } from '#shared/models/delivery.js';
import type { Clock } from '../../platform/clock.js';
import type { PushNotification } from '../../platform/push.js';
import { newId } from './message.js';

/** How long whoever took a push has it without saying that it is still at it. */
export const LEASE_MS = 60_000;
/** Nobody wants to be shown what is older. */
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
  /** Those that are to be tried again; absent: all that the users have. */
  readonly tokens: readonly string[] | undefined;
  readonly createdAt: number;
  /** Proves that it was this node that took it, this time. */
  readonly lease: string;
}

/** The pushes that are or will be due, in the database. */
export type PushStore = ReturnType<typeof createPushStore>;

export function createPushStore({ model, clock }: { model: Model<DeliveryPush>; clock: Clock }) {
  const { collection } = model;
  const listeners: ((dueAt: number) => void)[] = [];
  const heldBy = ({ id, lease }: DuePush) => ({ _id: id as never, lease });

  return {
    /** Calls `listener` with the time at which something of this node's becomes due. */
    onAnnounced: (listener: (dueAt: number) => void): void => void listeners.push(listener),

    /** Says when pushes that were added become due, as soon as what they stand for is stored. */
    announce(pushes: readonly NewPush[]): void {
      if (pushes.length === 0) return;
      const soonest = clock.now() + Math.min(...pushes.map(({ afterMs }) => afterMs));
      for (const listener of listeners) listener(soonest);
    },

    /** Stores pushes; one that is there already stays as it is. */
    async add(pushes: readonly NewPush[]): Promise<void> {
      if (pushes.length === 0) return;
      const now = clock.now();
      const operations = pushes.map(({ afterMs, notification, ...push }) => ({
        updateOne: {
          filter: { _id: notification.data.id as never },
          update: {
            $setOnInsert: {
              ...{ ...push, notification: JSON.stringify(notification), attempts: 0 },
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

    /** Takes the push that has been due for the longest time: of all nodes only one gets it. */
    async claim(): Promise<DuePush | undefined> {
      const now = clock.now();
      const lease = newId();
      const taken = await collection.findOneAndUpdate(
        { dueAt: { $lte: new Date(now) } },
        { $set: { lease, dueAt: new Date(now + LEASE_MS) }, $inc: { attempts: 1 } },
        { sort: { dueAt: 1 }, returnDocument: 'after' },
      );
      return taken === null ? undefined : { ...toDue(taken as unknown as DeliveryPush), lease };
    },

    /** Says that this node is still at it. */
    async extend(push: DuePush): Promise<void> {
      await collection.updateOne(heldBy(push), { $set: { dueAt: new Date(clock.now() + LEASE_MS) } });
    },

    /** Lets go of a push until later. Nothing happens if it was taken away meanwhile. */
    async putOff(push: DuePush, { dueAt, tokens, attempts = push.attempts }: Later): Promise<void> {
      const $set = { dueAt: new Date(dueAt), attempts, ...(tokens === undefined ? {} : { tokens }) };
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
  tokens?: readonly string[];
  attempts?: number;
}

const toDue = ({ _id, userIds, notification, isFallback, attempts, tokens, createdAt }: DeliveryPush) => ({
  ...{ id: String(_id), userIds, isFallback, attempts, tokens: tokens ?? undefined },
  notification: JSON.parse(notification) as PushNotification,
  createdAt: createdAt.getTime(),
});

import { type ClientSession, Types } from 'mongoose';
import { type Counter, type Counters, counterNames } from '#shared/models/counter.js';
import type { Models } from '#shared/models/index.js';
import { conversationKinds } from '#shared/models/member.js';
import { addTo, areEqual, type Countable, emptyTallies, isZero, type Tallies, toCounters } from './tally.js';

/** The wire form of a counter. */
export interface Push {
  readonly userId: string;
  readonly channelId: string;
  readonly counters: Counters;
  readonly version: number;
}

/** Collects the member changes of a transaction. */
export interface Ledger {
  /** A member before and after; `undefined`: created or deleted. */
  record(before: Countable | undefined, after: Countable | undefined): void;
  /** A deleted member whose user is not notified. */
  forget(member: Countable): void;
  /** Users who are not notified. */
  readonly untold: ReadonlySet<string>;
  /** The differences, by user. */
  readonly differences: ReadonlyMap<string, Tallies>;
}

/** Creates an empty ledger. */
export function createLedger(): Ledger {
  const differences = new Map<string, Tallies>();
  const untold = new Set<string>();
  const add = (member: Countable, by: 1 | -1): void => {
    const userId = member.user.toHexString();
    const tallies: Tallies = differences.get(userId) ?? new Map();
    differences.set(userId, tallies);
    addTo(tallies, member, by);
  };
  return {
    record(before, after) {
      if (before !== undefined) add(before, -1);
      if (after === undefined) return;
      add(after, 1);
      // Removed earlier in this transaction, and added again.
      untold.delete(after.user.toHexString());
    },
    forget(member) {
      add(member, -1);
      untold.add(member.user.toHexString());
    },
    untold,
    differences,
  };
}

/** Counters by kind. Documents of other services may lack some. */
export function talliesOf(counter: Partial<Counter> | undefined): ReturnType<typeof emptyTallies> {
  const tallies = emptyTallies();
  for (const kind of conversationKinds) Object.assign(tallies[kind], counter?.[kind]);
  return tallies;
}

/** The five totals of a counter; zero without one. */
export const countersOf = (counter: Partial<Counter> | undefined): Counters =>
  Object.fromEntries(counterNames.map((name) => [name, counter?.[name] ?? 0])) as Counters;

/**
 * Adds differences to the stored counters, within the transaction that made them.
 * @returns the visibly changed counters of users who are notified, and the users without counters, who need a full count
 */
export async function applyDifferences(
  { Counter: model }: Pick<Models, 'Counter'>,
  { differences, untold }: Pick<Ledger, 'differences' | 'untold'>,
  session: ClientSession,
): Promise<{ pushes: Push[]; uncounted: string[] }> {
  const changes = [...differences].flatMap(([userId, tallies]) =>
    [...tallies].flatMap(([channelId, by]) => (isZero(by) ? [] : [{ userId, channelId, by }])),
  );
  if (changes.length === 0) return { pushes: [], uncounted: [] };
  const users = [...new Set(changes.map(({ userId }) => userId))];
  const channels = [...new Set(['you', ...changes.map(({ channelId }) => channelId)])];
  const stored = await model
    .find({ user: { $in: users }, channel_id: { $in: channels } })
    .session(session)
    .lean();
  const byKey = new Map(stored.map((counter) => [keyOf(counter.user.toHexString(), counter.channel_id), counter]));
  const isCounted = (userId: string): boolean => (byKey.get(keyOf(userId, 'you'))?.recounted_at ?? null) !== null;
  const written = changes
    .filter(({ userId }) => isCounted(userId))
    .map(({ userId, channelId, by }) => {
      const before = byKey.get(keyOf(userId, channelId));
      const tallies = talliesOf(before);
      for (const kind of conversationKinds) {
        for (const name of Object.keys(by[kind]) as (keyof typeof by.team)[]) tallies[kind][name] += by[kind][name];
      }
      return toWrite({ userId, channelId, tallies, before });
    });
  if (written.length > 0) {
    await model.collection.bulkWrite(
      written.map(({ operation }) => operation),
      { session },
    );
  }
  return {
    pushes: written.flatMap(({ push }) => (push === undefined || untold.has(push.userId) ? [] : push)),
    uncounted: users.filter((userId) => !isCounted(userId)),
  };
}

const keyOf = (userId: string, channelId: string): string => `${userId} ${channelId}`;

/** A counter to store, through the driver, and the event to send; no event when the visible counters do not change. */
export function toWrite(change: {
  userId: string;
  channelId: string;
  tallies: ReturnType<typeof emptyTallies>;
  before: Counter | undefined;
  recountedAt?: Date | undefined;
}) {
  const { userId, channelId, tallies, before, recountedAt } = change;
  const counters = toCounters(tallies);
  const isSeen = !areEqual(counters, countersOf(before));
  const version = (before?.version ?? 0) + (isSeen ? 1 : 0);
  const $set = { ...counters, ...tallies, version, ...(recountedAt && { recounted_at: recountedAt }) };
  const $setOnInsert = { ...(recountedAt === undefined && { recounted_at: null }), __v: 0 };
  const filter = { user: new Types.ObjectId(userId), channel_id: channelId };
  return {
    operation: { updateOne: { filter, update: { $set, $setOnInsert }, upsert: true } },
    push: isSeen ? { userId, channelId, counters, version } : undefined,
  };
}

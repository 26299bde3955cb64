import { type ClientSession, Types } from 'mongoose';
import type { Counter, Counters, Tally } from '#shared/models/counter.js';
import type { ConversationKindName, Member } from '#shared/models/member.js';
import type { Context } from '../../../framework/context.js';
import { changedFields, readStored } from '../../../models/index.js';
import { createKeyedMutex, type KeyedMutex } from '../../../platform/concurrency/keyed-mutex.js';
import type { Settling } from '../../../platform/concurrency/settling.js';
import { chunksOf } from '../../../platform/lists.js';
import { isDuplicateKey } from '../../../platform/mongo/duplicate-key.js';
import { runTransaction } from '../../../platform/mongo/transaction.js';
import { createFindHearers } from '../presence.js';
import { applyDifferences, countersOf, createLedger, type Ledger, type Push, talliesOf } from './ledger.js';
import { createPushCounters, toPush } from './push.js';
import { isSame, recount } from './recount.js';
import { addTo, emptyTallies, specialChannels, type Tallies } from './tally.js';

export { specialChannels } from './tally.js';

/**
 * Counters of a user's conversations by state and channel.
 *
 * Counters change in the transaction that changes what they count. After every commit they equal a full count, with any
 * number of nodes and when a node crashes. A change costs one read and one write for each user whose counters really
 * change; the second unread message of a conversation changes none. Changed counters are sent with a rising version;
 * clients ignore older versions.
 *
 * Other services write members without counting. So members are recounted when a user reads the counters: before the
 * answer while there are few, and in the background, at intervals, when there are many.
 */
export interface CounterStore {
  /**
   * Runs work in a transaction and updates counters in the same transaction. The work can run several times because of
   * write conflicts; it must have no effect outside the database.
   * @param keys what the work will probably write; work with a common key is serialized on this node
   * @param onLate called with the result when the work turns out to be stored after its caller got an error: what follows from it
   *   must not be missing
   */
  transact<T>(
    keys: readonly string[],
    work: (transaction: CountedTransaction) => Promise<T>,
    onLate?: (result: T) => unknown,
  ): Promise<T>;
  /** Runs a task after the work on this node that has a common key. */
  readonly inTurn: KeyedMutex['run'];
  /** Counters of all channels of the user, including the special ones. */
  read(user: Types.ObjectId): Promise<Map<string, Counters>>;
  /** Counters of one channel. */
  readOne(user: Types.ObjectId, channelId: string): Promise<Counters>;
  /** List sizes of one kind. The first call for a user counts everything; then `isFirst`. */
  sizes(
    user: Types.ObjectId,
    channelId: string,
    kind: ConversationKindName,
  ): Promise<{ sizes: Tally; isFirst: boolean }>;
  /**
   * Reads the counters, and all members of a user who has few, without a transaction.
   * @returns `undefined` when there can be something to do: the counters differ from the members, a member must be repaired,
   *   a snooze may be over
   */
  readCounted(user: Types.ObjectId): Promise<CountedMembers | undefined>;
  /** Recounts users for whom other services may have written since the last count, many in one transaction. */
  refresh(users: readonly Types.ObjectId[]): Promise<void>;
  /** Recounts, stores and sends the differences. */
  recount(user: Types.ObjectId): Promise<void>;
  /** Sends stored counters once more. @param ids of their documents */
  sendAgain(ids: readonly Types.ObjectId[]): Promise<void>;
}

/** The counters of a user, and the members that agree with them. */
export interface CountedMembers {
  /** `undefined`: there are many. */
  readonly members: readonly Member[] | undefined;
  readonly counters: Map<string, Counters>;
  /** Sizes of the lists of a channel. */
  sizeOf(channelId: string, kind: ConversationKindName): Tally;
}

/** The transaction that counted work runs in. */
export interface CountedTransaction {
  readonly session: ClientSession;
  /** Must be called for every written member. */
  readonly record: Ledger['record'];
  /** Must be called for every member deleted because its user was removed; the user is not notified. */
  readonly forget: Ledger['forget'];
}

/**
 * Thrown by a transaction that would count many users in full, which other services have given conversations. They are counted
 * first, some at a time: a count is kept when a later one fails, so a repeated call gets further.
 */
class UncountedError extends Error {
  readonly users: readonly Types.ObjectId[];

  constructor(users: readonly Types.ObjectId[]) {
    super(`${users.length} users must be counted first`);
    this.users = users;
  }
}

/** Up to this many conversations are recounted on every read. */
const RECOUNT_AT_ONCE_MAX = 300;
/** Users whose conversations are recounted in one transaction. It conflicts with each change of their counters meanwhile. */
const RECOUNTED_TOGETHER = 50;
/** With more conversations, the last recount may be this old. */
const RECOUNT_AFTER_MS = 3_600_000;

/** To be created once for a node: its mutex spares the database write conflicts among changes of this node. */
export function createCounterStore(context: Context, settling: Settling): CounterStore {
  const { models, emitter, clock, logger, config } = context;
  const pushAll = createPushCounters({ models, emitter, settling, findPresent: createFindHearers(context) });
  const mutex = createKeyedMutex({ clock, waitMs: config.sockets.turnWaitMs });
  const connection = models.Counter.db;
  const recounting = new Map<string, Promise<void>>();

  /**
   * Applies the differences of a transaction; a user without counters is counted in full.
   * @throws UncountedError when these are more than `countedMax`
   */
  const settle = async (ledger: Ledger, session: ClientSession, countedMax: number): Promise<Push[]> => {
    const { pushes, uncounted } = await applyDifferences(models, ledger, session);
    if (uncounted.length > 0) {
      const users = uncounted.map((userId) => new Types.ObjectId(userId));
      if (users.length > countedMax) throw new UncountedError(users);
      const counted = await recount(models, { users, session, at: new Date(clock.now()) });
      pushes.push(...counted.filter(({ userId }) => !ledger.untold.has(userId)));
    }
    return pushes;
  };

  const countTogether = async (users: readonly Types.ObjectId[]): Promise<void> => {
    const keys = users.map((user) => user.toHexString());
    const pushes = await mutex.run(keys, () =>
      runTransaction(connection, (session) => recount(models, { users, session, at: new Date(clock.now()) }), {
        onLate: (late) => void pushAll(late),
      }),
    );
    await pushAll(pushes);
  };

  const countAll = async (user: Types.ObjectId): Promise<void> => {
    const key = user.toHexString();
    const underWay = recounting.get(key);
    if (underWay !== undefined) return underWay;
    const counting = countTogether([user]).finally(() => recounting.delete(key));
    recounting.set(key, counting);
    return counting;
  };

  /** Recounts in the background when the last count is old. */
  const recountAtTimes = (user: Types.ObjectId, recountedAt: Date): void => {
    if (recountedAt.getTime() + RECOUNT_AFTER_MS > clock.now()) return;
    countAll(user).catch((error: unknown) => logger.warn({ err: error }, 'conversations: recounting failed'));
  };

  return {
    async transact(keys, work, onLate = () => undefined) {
      interface Outcome {
        readonly result: Parameters<typeof onLate>[0];
        readonly pushes: readonly Push[];
      }
      const tellLate = async ({ result, pushes }: Outcome): Promise<void> => {
        try {
          await pushAll(pushes);
          await onLate(result);
        } catch (error) {
          logger.warn({ err: error }, 'conversations: sending what was stored late failed');
        }
      };
      const attempt = (countedMax: number): Promise<Outcome> =>
        mutex.run(keys, () =>
          runTransaction(
            connection,
            async (session) => {
              const ledger = createLedger();
              const result = await work({ session, record: ledger.record, forget: ledger.forget });
              return { result, pushes: await settle(ledger, session, countedMax) };
            },
            {
              // Two transactions created the first counter of a user and channel.
              isTransient: (error) => isDuplicateKey(error, 'channel_id'),
              onLate: (outcome) => void tellLate(outcome),
            },
          ),
        );
      const { result, pushes } = await attempt(RECOUNTED_TOGETHER).catch(async (error: unknown) => {
        if (!(error instanceof UncountedError)) throw error;
        for (const some of chunksOf(error.users, RECOUNTED_TOGETHER)) await countTogether(some);
        return attempt(Number.POSITIVE_INFINITY);
      });
      await pushAll(pushes);
      return result;
    },

    inTurn: mutex.run,

    async sendAgain(ids) {
      await pushAll((await models.Counter.find({ _id: { $in: [...ids] } }).lean<Counter[]>()).map(toPush));
    },

    read: async (user) => toCountersByChannel(await models.Counter.find({ user }).lean()),

    readOne: async (user, channelId) =>
      countersOf((await models.Counter.findOne({ user, channel_id: channelId }).lean()) ?? undefined),

    async sizes(user, channelId, kind) {
      const found = await models.Counter.find({ user, channel_id: { $in: ['you', channelId] } }).lean();
      if (found.some(({ channel_id, recounted_at }) => channel_id === 'you' && recounted_at !== null)) {
        const counter = found.find(({ channel_id }) => channel_id === channelId);
        return { sizes: talliesOf(counter)[kind], isFirst: false };
      }
      await countAll(user);
      const counter = (await models.Counter.findOne({ user, channel_id: channelId }).lean()) ?? undefined;
      return { sizes: talliesOf(counter)[kind], isFirst: true };
    },

    async readCounted(user) {
      const stored = await models.Counter.find({ user }).lean();
      const you = stored.find(({ channel_id }) => channel_id === 'you');
      if (you === undefined || you.recounted_at === null) return undefined;
      const counters = toCountersByChannel(stored);
      if (sizeOf(talliesOf(you)) > RECOUNT_AT_ONCE_MAX) {
        if (you.snoozed > 0) return undefined;
        recountAtTimes(user, you.recounted_at);
        const byChannel = new Map(stored.map((counter) => [counter.channel_id, talliesOf(counter)]));
        const sizeOfStored = (channelId: string, kind: ConversationKindName): Tally =>
          (byChannel.get(channelId) ?? emptyTallies())[kind];
        return { members: undefined, counters, sizeOf: sizeOfStored };
      }
      const options = { limit: RECOUNT_AT_ONCE_MAX + 1, batchSize: RECOUNT_AT_ONCE_MAX + 1 };
      const found = await models.Member.collection.find({ user }, options).toArray();
      if (found.length > RECOUNT_AT_ONCE_MAX) return undefined;
      const members = found.map((member) => readStored(models.Member, member));
      const tallies = tallyUp(members);
      const now = clock.now();
      const isDone = members.every((member) => isSettled(member, now)) && areCounted(tallies, stored);
      const sizeOfList = (channelId: string, kind: ConversationKindName): Tally =>
        (tallies.get(channelId) ?? emptyTallies())[kind];
      return isDone ? { members, counters, sizeOf: sizeOfList } : undefined;
    },

    async refresh(users) {
      const stored = await models.Counter.find({ user: { $in: [...users] }, channel_id: 'you' }).lean();
      const byUser = new Map(stored.map((you) => [you.user.toHexString(), you]));
      const due = users.filter((user) => {
        const you = byUser.get(user.toHexString());
        const recountedAt = you?.recounted_at ?? null;
        if (you === undefined || recountedAt === null || sizeOf(talliesOf(you)) <= RECOUNT_AT_ONCE_MAX) return true;
        recountAtTimes(user, recountedAt);
        return false;
      });
      const [first] = due;
      if (first !== undefined && due.length === 1) return countAll(first);
      for (const some of chunksOf(due, RECOUNTED_TOGETHER)) await countTogether(some);
    },

    recount: countAll,
  };
}

/** The counters of a channel without conversations. */
export const noCounters: Counters = countersOf(undefined);

/** The visible counters by channel, those of the virtual channels in any case. */
const toCountersByChannel = (stored: readonly Counter[]): Map<string, Counters> =>
  new Map([
    ...specialChannels.map((name): [string, Counters] => [name, countersOf(undefined)]),
    ...stored.map((counter): [string, Counters] => [counter.channel_id, countersOf(counter)]),
  ]);

function tallyUp(members: readonly Member[]): Tallies {
  const tallies: Tallies = new Map([['you', emptyTallies()]]);
  for (const member of members) addTo(tallies, member, 1);
  return tallies;
}

/** Whether a member is as the gateway stores it, and its snooze is not over. */
const isSettled = (member: Member, now: number): boolean =>
  member.last_activity_at !== undefined &&
  Object.keys(changedFields(member)).length === 0 &&
  (member.snoozed_until === null || member.snoozed_until.getTime() > now);

/** Whether the stored counters are those of the members. */
function areCounted(tallies: Tallies, stored: readonly Counter[]): boolean {
  const byChannel = new Map(stored.map((counter) => [counter.channel_id, counter]));
  return [...new Set([...tallies.keys(), ...byChannel.keys()])].every((channelId) => {
    const counter = byChannel.get(channelId);
    return counter !== undefined && isSame(counter, tallies.get(channelId) ?? emptyTallies());
  });
}

/** Number of conversations of a user. */
const sizeOf = ({ team, prospect }: ReturnType<typeof talliesOf>): number =>
  [team, prospect].reduce((sum, { listed, snoozed, archived }) => sum + listed + snoozed + archived, 0);

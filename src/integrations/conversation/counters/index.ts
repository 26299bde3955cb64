import { type ClientSession, Types } from 'mongoose';
import { conversationNamespaces } from '#shared/contracts/namespaces.js';
import type { Counters, Tally } from '#shared/models/counter.js';
import type { ConversationKindName } from '#shared/models/member.js';
import type { Context } from '../../../framework/context.js';
import { createKeyedMutex } from '../../../platform/keyed-mutex.js';
import { isDuplicateKey } from '../../../platform/mongo/duplicate-key.js';
import { runTransaction } from '../../../platform/mongo/transaction.js';
import { rooms } from '../../../realtime/rooms.js';
import { applyDifferences, countersOf, createLedger, type Ledger, type Push, talliesOf } from './ledger.js';
import { recount } from './recount.js';
import { specialChannels } from './tally.js';

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
   */
  transact<T>(keys: readonly string[], work: (transaction: CountedTransaction) => Promise<T>): Promise<T>;
  /** Counters of all channels of the user, including the special ones. */
  read(user: Types.ObjectId): Promise<Map<string, Counters>>;
  /** Counters of one channel. */
  readOne(user: Types.ObjectId, channelId: string): Promise<Counters>;
  /** List sizes of one kind. The first call for a user counts everything. */
  sizes(user: Types.ObjectId, channelId: string, kind: ConversationKindName): Promise<Tally>;
  /** Recounts if other services may have written since the last count. */
  refresh(user: Types.ObjectId): Promise<void>;
  /** Recounts, stores and sends the differences. */
  recount(user: Types.ObjectId): Promise<void>;
}

/** The transaction that counted work runs in. */
export interface CountedTransaction {
  readonly session: ClientSession;
  /** Must be called for every written member. */
  readonly record: Ledger['record'];
  /** Must be called for every member deleted because its user was removed; the user is not notified. */
  readonly forget: Ledger['forget'];
}

/** Up to this many conversations are recounted on every read. */
const RECOUNT_AT_ONCE_MAX = 300;
/** With more conversations, the last recount may be this old. */
const RECOUNT_AFTER_MS = 3_600_000;

export function createCounterStore({ models, emitter, clock, logger, config }: Context): CounterStore {
  const mutex = createKeyedMutex({ clock, waitMs: config.sockets.turnWaitMs });
  const connection = models.Counter.db;
  const recounting = new Map<string, Promise<void>>();

  const push = ({ userId, channelId, counters, version }: Push): void => {
    emitter.emit(
      { namespaces: conversationNamespaces, rooms: [rooms.user(userId)] },
      { event: 'counters', payload: { channel_id: channelId, counters, version } },
    );
  };

  /** Applies the differences of a transaction; a user without counters is counted in full. */
  const settle = async (ledger: Ledger, session: ClientSession): Promise<Push[]> => {
    const { pushes, uncounted } = await applyDifferences(models, ledger, session);
    if (uncounted.length > 0) {
      const users = uncounted.map((userId) => new Types.ObjectId(userId));
      const counted = await recount(models, { users, session, at: new Date(clock.now()) });
      pushes.push(...counted.filter(({ userId }) => !ledger.untold.has(userId)));
    }
    return pushes;
  };

  const countAll = async (user: Types.ObjectId): Promise<void> => {
    const key = user.toHexString();
    const underWay = recounting.get(key);
    if (underWay !== undefined) return underWay;
    const counting = mutex
      .run([key], () =>
        runTransaction(connection, (session) => recount(models, { users: [user], session, at: new Date(clock.now()) })),
      )
      .then((pushes) => pushes.forEach(push))
      .finally(() => recounting.delete(key));
    recounting.set(key, counting);
    return counting;
  };

  return {
    async transact(keys, work) {
      const { result, pushes } = await mutex.run(keys, () =>
        runTransaction(
          connection,
          async (session) => {
            const ledger = createLedger();
            const result = await work({ session, record: ledger.record, forget: ledger.forget });
            return { result, pushes: await settle(ledger, session) };
          },
          // Two transactions created the first counter of a user and channel.
          (error) => isDuplicateKey(error, 'channel_id'),
        ),
      );
      pushes.forEach(push);
      return result;
    },

    async read(user) {
      const found = await models.Counter.find({ user }).lean();
      const missing = specialChannels.map((name): [string, Counters] => [name, countersOf(undefined)]);
      return new Map([
        ...missing,
        ...found.map((counter): [string, Counters] => [counter.channel_id, countersOf(counter)]),
      ]);
    },

    readOne: async (user, channelId) =>
      countersOf((await models.Counter.findOne({ user, channel_id: channelId }).lean()) ?? undefined),

    async sizes(user, channelId, kind) {
      const found = await models.Counter.find({ user, channel_id: { $in: ['you', channelId] } }).lean();
      if (found.some(({ channel_id, recounted_at }) => channel_id === 'you' && recounted_at !== null)) {
        return talliesOf(found.find(({ channel_id }) => channel_id === channelId))[kind];
      }
      await countAll(user);
      return talliesOf((await models.Counter.findOne({ user, channel_id: channelId }).lean()) ?? undefined)[kind];
    },

    async refresh(user) {
      const you = await models.Counter.findOne({ user, channel_id: 'you' }).lean();
      const recountedAt = you?.recounted_at ?? null;
      if (you === null || recountedAt === null || sizeOf(talliesOf(you)) <= RECOUNT_AT_ONCE_MAX) return countAll(user);
      if (recountedAt.getTime() + RECOUNT_AFTER_MS > clock.now()) return;
      countAll(user).catch((error: unknown) => logger.warn({ err: error }, 'recounting conversations failed'));
    },

    recount: countAll,
  };
}

/** Number of conversations of a user. */
const sizeOf = ({ team, prospect }: ReturnType<typeof talliesOf>): number =>
  [team, prospect].reduce((sum, { listed, snoozed, archived }) => sum + listed + snoozed + archived, 0);

import { type ClientSession, Types } from 'mongoose';
import { conversationNamespaces } from '#shared/contracts/namespaces.js';
import type { Counters, Tally } from '#shared/models/counter.js';
import type { ConversationKindName } from '#shared/models/member.js';
import type { Context } from '../../../framework/context.js';
import { isDuplicateKey } from '../../../platform/mongo/duplicate-key.js';
import { runTransaction } from '../../../platform/mongo/transaction.js';
import { createTurns } from '../../../platform/turns.js';
import { rooms } from '../../../realtime/rooms.js';
import { applyDifferences, countersOf, createLedger, type Ledger, type Push, talliesOf } from './ledger.js';
import { recount } from './recount.js';
import { specialChannels } from './tally.js';

export { specialChannels } from './tally.js';

/**
 * How many conversations of a user are in which state, by channel.
 *
 * The numbers are changed in the transaction that changes what they count, so after every commit they are what a count
 * would find: with any number of nodes, and when a node dies at any moment. A change costs one read and one write for each
 * user whose numbers really change; the second unread message of a conversation changes none. What a commit changed is
 * pushed with a version that rises; whoever gets an older one later drops it.
 *
 * Other services write members too, and do not count. So the members are counted one by one when a user looks at the
 * numbers: at once while they are few, and behind the answer, once in a while, when they are many.
 */
export interface CounterStore {
  /**
   * Does work in a transaction, and counts in the same one. The work may run several times, until it meets no other
   * writer; it must do nothing outside of the database.
   * @param keys what the work is likely to write; work with a key in common takes turns on this node
   */
  transact<T>(keys: readonly string[], work: (transaction: CountedTransaction) => Promise<T>): Promise<T>;
  /** The numbers of all channels that the user has, the special ones among them. */
  read(user: Types.ObjectId): Promise<Map<string, Counters>>;
  /** The numbers of one channel. */
  readOne(user: Types.ObjectId, channelId: string): Promise<Counters>;
  /** The sizes of the lists of one kind. The first time a user is asked about, everything is counted. */
  sizes(user: Types.ObjectId, channelId: string, kind: ConversationKindName): Promise<Tally>;
  /** Counts one by one if other services may have changed something since the last time. */
  refresh(user: Types.ObjectId): Promise<void>;
  /** Counts one by one, stores and pushes what differs. */
  recount(user: Types.ObjectId): Promise<void>;
}

/** What work in a transaction gets. */
export interface CountedTransaction {
  readonly session: ClientSession;
  /** Has to be told of every member that is written. */
  readonly record: Ledger['record'];
  /** Has to be told of every member that is deleted because its user was taken out; the user is not told. */
  readonly forget: Ledger['forget'];
}

/** Up to this many conversations are counted whenever a user looks. */
const RECOUNT_AT_ONCE_MAX = 300;
/** With more, the last count may be this old. */
const RECOUNT_AFTER_MS = 3_600_000;

export function createCounterStore({ models, emitter, clock, logger, config }: Context): CounterStore {
  const turns = createTurns({ clock, waitMs: config.sockets.turnWaitMs });
  const connection = models.Counter.db;
  const recounting = new Map<string, Promise<void>>();

  const push = ({ userId, channelId, counters, version }: Push): void => {
    emitter.emit(
      { namespaces: conversationNamespaces, rooms: [rooms.user(userId)] },
      { event: 'counters', payload: { channel_id: channelId, counters, version } },
    );
  };

  /** Counts what a transaction has changed: by its differences, or for who was never counted, from the beginning. */
  const settle = async (ledger: Ledger, session: ClientSession): Promise<Push[]> => {
    const { pushes, uncounted } = await applyDifferences(models, ledger, session);
    for (const userId of uncounted) {
      const user = new Types.ObjectId(userId);
      const counted = await recount(models, { user, session, at: new Date(clock.now()) });
      if (!ledger.untold.has(userId)) pushes.push(...counted);
    }
    return pushes;
  };

  const countAll = async (user: Types.ObjectId): Promise<void> => {
    const key = user.toHexString();
    const underWay = recounting.get(key);
    if (underWay !== undefined) return underWay;
    const counting = turns
      .take([key], () =>
        runTransaction(connection, (session) => recount(models, { user, session, at: new Date(clock.now()) })),
      )
      .then((pushes) => pushes.forEach(push))
      .finally(() => recounting.delete(key));
    recounting.set(key, counting);
    return counting;
  };

  return {
    async transact(keys, work) {
      const { result, pushes } = await turns.take(keys, () =>
        runTransaction(
          connection,
          async (session) => {
            const ledger = createLedger();
            const result = await work({ session, record: ledger.record, forget: ledger.forget });
            return { result, pushes: await settle(ledger, session) };
          },
          // Two transactions that both make the first counter of a user and channel.
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
      countAll(user).catch((error: unknown) => logger.warn({ err: error }, 'counters: not recounted'));
    },

    recount: countAll,
  };
}

/** How many conversations a user has. */
const sizeOf = ({ team, prospect }: ReturnType<typeof talliesOf>): number =>
  [team, prospect].reduce((sum, { listed, snoozed, archived }) => sum + listed + snoozed + archived, 0);

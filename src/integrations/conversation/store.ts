import { type ClientSession, Types } from 'mongoose';
import { amountsOfMessage } from '#shared/contracts/costs.js';
import type { Conversation } from '#shared/models/conversation.js';
import type { Member } from '#shared/models/member.js';
import { GatewayError } from '../../errors.js';
import { readStored } from '../../models/index.js';
import { isDuplicateKey } from '../../platform/mongo/duplicate-key.js';
import type { WriteTogether } from '../../platform/mongo/write-together.js';
import { payOnce } from '../../realtime/work.js';
import type { BlockedUser } from '../users/index.js';
import { ensureHeard, isAccessible, withMembers } from './access.js';
import type { CountedTransaction } from './counters/index.js';
import type { ConversationDependencies } from './dependencies.js';
import type { Description, StoredMessage, WireMessage } from './kind.js';
import { createMessageQueue } from './message-queue.js';
import { createOptimisticStore } from './optimistic-store.js';
import { activeAt } from './times.js';
import { charactersOfMessage } from './to-wire.js';
import type { Viewer } from './viewer.js';

/** A message to send. */
export interface Draft {
  readonly conversationId: string;
  /** The message to store; its time can move forward slightly. */
  readonly message: StoredMessage & { readonly UUID: string; readonly createdAt: Date };
  /** Mentioned users. */
  readonly mentions: readonly string[];
}

/** A stored message with its conversation and sender. */
export interface Stored {
  readonly conversation: Conversation;
  readonly members: readonly Member[];
  readonly message: StoredMessage;
  /** `undefined`: not in the database. */
  readonly sender: BlockedUser | undefined;
}

/** What the caller that stores a message does for it. */
interface Sending {
  /** Reads the sender, once. */
  read(): Promise<BlockedUser | undefined>;
  /** Called when the message turns out to be stored after the caller got an error. */
  onLate(stored: Stored): unknown;
}

interface Item extends Sending {
  readonly viewer: Viewer;
  readonly draft: Draft;
  /** Pays for the message, once. @throws GatewayError `RATE_LIMITED` */
  pay(people: number): Promise<void>;
}

/**
 * Stores messages and counts them. One transaction holds the message, the conversation's last activity and the unread count of
 * every participant. So an unread count always equals the stored, unread messages, under concurrency and when a node crashes.
 * A conversation and senders of which nothing has changed since the last message are not read, and messages that wait for them
 * share a transaction.
 */
export function createStore<D extends Description, M extends WireMessage>({
  models,
  kind,
  counters,
  work,
  write,
}: Pick<ConversationDependencies<D, M>, 'models' | 'kind' | 'counters' | 'work'> & { readonly write: WriteTogether }) {
  const optimistic = createOptimisticStore(models, kind, write);

  /** @throws GatewayError `NOT_FOUND` */
  const storeActivity = async (
    viewer: Viewer,
    { id, message }: { id: string; message: StoredMessage },
    session: ClientSession,
  ): Promise<Conversation> => {
    const { conversations: model } = kind;
    const _id = new Types.ObjectId(id);
    const update = async (filter: object): Promise<Conversation | null> => {
      const options = { session, returnDocument: 'after' } as const;
      const found = await model.collection.findOneAndUpdate(filter, toActivity(message), options);
      return found === null ? null : readStored(model, found);
    };
    const updated = await update({ _id, account: viewer.accountId, users: viewer.userId });
    if (updated !== null) return updated;
    // Another service may store these ids as text.
    const stored = await model.findById(id).session(session).lean();
    const again = stored !== null && isAccessible(stored, viewer) ? await update({ _id }) : null;
    if (again === null) throw new GatewayError('NOT_FOUND');
    return again;
  };

  const storeByReading = async (
    { viewer, draft: { conversationId: id, message: draft, mentions }, read, pay }: Item,
    transaction: CountedTransaction,
  ): Promise<Stored> => {
    const { session, record } = transaction;
    const reading = read();
    // Awaited below, unless something fails before.
    reading.catch(() => undefined);
    const conversation = await storeActivity(viewer, { id, message: draft }, session);
    const at = activeAt(conversation);
    const { members } = await withMembers(models, conversation, { viewer, transaction });
    const sender = await reading;
    ensureHeard(viewer, members, sender?.blocked ?? new Set());
    const mentioned = toMentioned(members, mentions);
    const message = { ...draft, ...(mentions.length > 0 && { mentions: mentioned }), createdAt: at };
    await pay(members.length);

    await kind.messages.collection.insertOne({ ...message, __v: 0 } as never, { session });
    const { _id: parent } = conversation;
    const operations = toOperations(parent, { sender: viewer.userId, mentioned, at });
    await models.Member.collection.bulkWrite(operations, { session });
    for (const member of members) {
      const isMentioned = member.mentioned || mentioned.some((user) => user.equals(member.user));
      const unread_count = member.unread_count + (member.user.equals(viewer.userId) ? 0 : 1);
      record(member, { ...member, mentioned: isMentioned, unread_count });
    }
    optimistic.remember(viewer, { conversation, members, sender });
    return { conversation, members, message, sender };
  };

  /** Messages of a group of which one was refused. Each of them is stored by itself. */
  const alone = new WeakSet<Item>();

  /** The first of some messages, as far as they can be stored together and their conversation and senders are remembered. */
  const findRemembered = (items: readonly Item[]) => {
    const found = [];
    for (const [index, item] of items.entries()) {
      const isApart = index > 0 && items.slice(index - 1, index + 1).some((one) => alone.has(one));
      const { viewer, draft, pay } = item;
      const isUsual = !isApart && draft.mentions.length === 0;
      const one = isUsual ? optimistic.find(viewer, draft.conversationId) : undefined;
      if (one === undefined) break;
      found.push({ ...one, message: draft.message, pay });
    }
    return found;
  };

  const storeSome = async (items: readonly Item[], transaction: CountedTransaction): Promise<Stored[]> => {
    const sent = findRemembered(items);
    const [first] = sent;
    if (first === undefined) return Promise.all(items.slice(0, 1).map((item) => storeByReading(item, transaction)));
    const { conversation, members } = first;
    for (const { pay } of sent) await pay(members.length);
    const messages = await optimistic.store(first, sent, transaction.session);
    return sent.flatMap(({ sender }, index) => {
      const message = messages[index];
      return message === undefined ? [] : { conversation, members, message, sender };
    });
  };

  const storeFirst = async (take: () => readonly Item[]): Promise<(Stored | Error)[]> => {
    let tried = take();
    const storeTried = (transaction: CountedTransaction): Promise<Stored[]> => {
      const items = take();
      tried = items.slice(0, Math.max(1, findRemembered(items).length));
      return storeSome(tried, transaction);
    };
    const tellLate = (stored: readonly Stored[]) => Promise.all(stored.map((one, index) => tried[index]?.onLate(one)));
    try {
      return await counters.transact([], storeTried, tellLate);
    } catch (refusal) {
      if (tried.length <= 1 || !isOfOne(refusal)) return tried.map(() => refusal as Error);
      // The first is stored now. The others wait for their own turns, so none is stored when its time is over.
      for (const item of tried) alone.add(item);
      return storeFirst(take);
    }
  };

  const storeInOrder = createMessageQueue({ inTurn: counters.inTurn, storeFirst });

  return function storeMessage(viewer: Viewer, draft: Draft, sending: Sending): Promise<Stored> {
    const characters = charactersOfMessage(draft.message);
    const pay = payOnce((people) => work.pay(viewer.principal, amountsOfMessage(people, characters)));
    return storeInOrder(draft.conversationId, { viewer, draft, pay, ...sending });
  };
}

/** Whether an error concerns one of several messages: a UUID that is stored already, or a sender who cannot pay. */
const isOfOne = (error: unknown): boolean => isDuplicateKey(error, 'UUID') || error instanceof GatewayError;

/**
 * The update that makes a message the last of its conversation. Its time is the node's, but at least one millisecond after
 * the previous one. So messages are ordered as they were stored although clocks differ, and no read position is after a
 * message that is stored later.
 */
const toActivity = ({ _id, createdAt }: StoredMessage) => [
  {
    $set: {
      last_activity: _id,
      last_activity_at: { $max: [createdAt, NEXT_MOMENT] },
      updatedAt: createdAt,
    },
  },
];

/** An invalid date has no successor. */
const NEXT_MOMENT = {
  $cond: [{ $eq: [{ $type: '$last_activity_at' }, 'date'] }, { $add: ['$last_activity_at', 1] }, null],
};

/** Only participants can be mentioned. One may have left while the message was written, which is no reason to refuse it. */
function toMentioned(participants: readonly Member[], mentions: readonly string[]): Types.ObjectId[] {
  const byId = new Map(participants.map(({ user }) => [user.toHexString(), user]));
  return [...new Set(mentions)].flatMap((id) => byId.get(id) ?? []);
}

/** The changes that a message makes to the members of its conversation. */
function toOperations(
  conversation: Types.ObjectId,
  { sender, mentioned, at }: { sender: Types.ObjectId; mentioned: readonly Types.ObjectId[]; at: Date },
) {
  const $max = { last_activity_at: at };
  return [
    {
      updateMany: {
        filter: { conversation, user: { $ne: sender } },
        update: { $inc: { unread_count: 1 }, $max },
      },
    },
    { updateOne: { filter: { conversation, user: sender }, update: { $max } } },
    ...(mentioned.length === 0
      ? []
      : [
          { updateMany: { filter: { conversation, user: { $in: mentioned } }, update: { $set: { mentioned: true } } } },
        ]),
  ];
}

import { type ClientSession, Types } from 'mongoose';
import { amountsOfMessage } from '#shared/contracts/costs.js';
import type { Conversation } from '#shared/models/conversation.js';
import type { Member } from '#shared/models/member.js';
import { equalText } from '#shared/models/stored-text.js';
import { GatewayError } from '../../errors.js';
import { readStored } from '../../models/index.js';
import { isDuplicateKey } from '../../platform/mongo/duplicate-key.js';
import { acknowledgedReadConcern } from '../../platform/mongo/options.js';
import type { WriteTogether } from '../../platform/mongo/write-together.js';
import { payOnce } from '../../realtime/work.js';
import type { BlockedUser } from '../users/index.js';
import { ensureAccess, ensureHeard, isAccessible, withMembers } from './access.js';
import type { ConversationDependencies } from './dependencies.js';
import type { Description, StoredMessage, WireMessage } from './kind.js';
import { createKnownConversations } from './known.js';
import type { Notify } from './notify.js';
import { toPerson, toUnknownPerson } from './people.js';
import { activeAt } from './times.js';
import type { Viewer } from './viewer.js';

interface Dependencies<D extends Description, M extends WireMessage> extends ConversationDependencies<D, M> {
  notify: Notify;
  write: WriteTogether;
}

/** A message to send. */
export interface Draft {
  readonly conversationId: string;
  /** The message to store; its time can move forward slightly. */
  readonly message: StoredMessage & { readonly UUID: string; createdAt: Date };
  /** Mentioned users. */
  readonly mentions: readonly string[];
}

/**
 * Sends a message: stores it, counts it, sends it, in this order.
 *
 * One transaction holds the message, the conversation's last activity and the unread count of every participant. So an
 * unread count always equals the stored, unread messages, under concurrency and when a node crashes. A repeated UUID of the
 * same sender violates the unique index: the transaction is rolled back and the stored message is the answer, even when a
 * new message would be refused. A conversation and a sender of which nothing has changed since the last message are not read
 * for the next.
 */
export function createSend<D extends Description, M extends WireMessage>(dependencies: Dependencies<D, M>) {
  const { models, kind, counters, blocks, publish, work, notify, write } = dependencies;
  const known = createKnownConversations(models, kind, write);

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

  /** @param read reads the sender, once */
  const store = async (
    viewer: Viewer,
    { conversationId: id, message: draft, mentions }: Draft,
    read: () => Promise<BlockedUser | undefined>,
  ) => {
    const pay = payOnce((people) => work.pay(viewer.principal, amountsOfMessage(people)));
    const storeInKnown = async (session: ClientSession) => {
      const found = mentions.length === 0 ? known.find(viewer, id) : undefined;
      if (found === undefined) return undefined;
      const { conversation, members, sender } = found;
      await pay(members.length);
      const message = await known.store(found, draft, { viewer, session });
      return { conversation, members, message, sender };
    };
    return counters.transact([id], async (transaction) => {
      const { session, record } = transaction;
      const stored = await storeInKnown(session);
      if (stored !== undefined) return stored;
      const reading = read();
      // Awaited below, unless something fails before.
      reading.catch(() => undefined);
      const conversation = await storeActivity(viewer, { id, message: draft }, session);
      const at = activeAt(conversation);
      const message = { ...draft, createdAt: at };
      const { members } = await withMembers(models, conversation, { viewer, transaction });
      const sender = await reading;
      ensureHeard(viewer, members, blockedOf(sender));
      const mentioned = toMentioned(members, mentions);
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
      known.remember(viewer, { conversation, members, sender });
      return { conversation, members, message, sender };
    });
  };

  /** The message that the same call stored before. */
  const findStored = ({ userId }: Viewer, { conversationId, message }: Draft) =>
    kind.messages
      .findOne({
        ...kind.fieldsOfSent,
        conversation_id: conversationId,
        sent_by: userId,
        UUID: equalText(message.UUID),
      })
      .readConcern(acknowledgedReadConcern)
      .lean<StoredMessage>();

  /** The stored message of a refused retry: checks apply to new messages. @throws the refusal of a new message */
  const findRetried = async (viewer: Viewer, draft: Draft, refusal: unknown): Promise<StoredMessage> => {
    const isRepeated = isDuplicateKey(refusal, 'UUID');
    if (!isRepeated && !(refusal instanceof GatewayError)) throw refusal;
    if (!isRepeated) await ensureAccess(models, kind, { viewer, id: draft.conversationId });
    const before = await findStored(viewer, draft);
    if (before === null) throw isRepeated ? new GatewayError('CONFLICT') : refusal;
    return before;
  };

  return async function sendConversationMessage(viewer: Viewer, draft: Draft): Promise<M> {
    const view = { conversationId: draft.conversationId, viewerId: viewer.id };
    let reading: Promise<BlockedUser | undefined> | undefined;
    const read = (): Promise<BlockedUser | undefined> => {
      reading ??= blocks.withUser(viewer.id);
      return reading;
    };
    const stored = await store(viewer, draft, read).catch(async (refusal: unknown) => ({
      retried: await findRetried(viewer, draft, refusal),
      sender: await read(),
    }));
    const { sender } = stored;
    const toWire = await kind.describeMessages(
      [draft.message],
      [sender === undefined ? toUnknownPerson(viewer.id) : toPerson(sender.user)],
    );
    if ('retried' in stored) return toWire(stored.retried, view);
    const { conversation, members, message } = stored;
    const blocked = blockedOf(sender);
    const own = toWire(message, view);
    const others = members.map(({ user }) => user.toHexString()).filter((id) => id !== viewer.id && !blocked.has(id));
    const { message: event } = kind.events;
    publish([viewer.id], { event, payload: own }, viewer.socketId);
    if (others.length > 0) {
      publish(others, { event, payload: toWire(message, { ...view, viewerId: '' }) });
      notify(others, { title: conversation.title, message: own, conversationId: draft.conversationId });
    }
    return own;
  };
}

const NO_USERS: ReadonlySet<string> = new Set();

const blockedOf = (sender: BlockedUser | undefined): ReadonlySet<string> => sender?.blocked ?? NO_USERS;

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

/** @throws GatewayError `NOT_FOUND` for a user who is not a participant */
function toMentioned(participants: readonly Member[], mentions: readonly string[]): Types.ObjectId[] {
  const byId = new Map(participants.map(({ user }) => [user.toHexString(), user]));
  return [...new Set(mentions)].map((id) => {
    const user = byId.get(id.toLowerCase());
    if (user === undefined) throw new GatewayError('NOT_FOUND');
    return user;
  });
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

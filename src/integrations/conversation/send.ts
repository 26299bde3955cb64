import type { ClientSession, Types } from 'mongoose';
import type { Conversation } from '#shared/models/conversation.js';
import type { Models } from '#shared/models/index.js';
import type { Member } from '#shared/models/member.js';
import { equalText } from '#shared/models/stored-text.js';
import { GatewayError } from '../../errors.js';
import { isDuplicateKey } from '../../platform/mongo/duplicate-key.js';
import { acknowledgedReadConcern } from '../../platform/mongo/options.js';
import { ensureAccess, isAccessible, withMembers } from './access.js';
import type { Announce } from './announce.js';
import type { CounterStore } from './counters/index.js';
import type { ConversationKind, Description, StoredMessage, WireMessage } from './kind.js';
import type { Notify } from './notify.js';
import { activeAt } from './times.js';
import type { Viewer } from './viewer.js';

interface Dependencies<D extends Description, M extends WireMessage> {
  models: Models;
  kind: ConversationKind<D, M>;
  counters: CounterStore;
  announce: Announce;
  notify: Notify;
}

/** A message that is to be said. */
export interface Draft {
  readonly conversationId: string;
  /** As it will be stored; the time may become a little later. */
  readonly message: StoredMessage & { readonly UUID: string };
  /** Users of whom it speaks. */
  readonly mentions: readonly string[];
}

/**
 * Says something: stores it, counts it, sends it, in this order.
 *
 * One transaction holds the message, the conversation's last activity and every participant's unread number, so at any
 * moment a participant has as many unread messages as were stored and not read, whatever else is going on, and whichever
 * node dies. The same UUID of the same sender meets the unique index: then all of it is undone, and the answer is what was
 * stored before, also when it could not be said any more.
 */
export function createSend<D extends Description, M extends WireMessage>(dependencies: Dependencies<D, M>) {
  const { models, kind, counters, announce, notify } = dependencies;

  /** @throws GatewayError `NOT_FOUND` */
  const makeNewest = async (
    viewer: Viewer,
    { id, message }: { id: string; message: StoredMessage },
    session: ClientSession,
  ): Promise<Conversation> => {
    const update = (filter: object) =>
      kind.conversations
        .findOneAndUpdate(filter, toActivity(message), { session, returnDocument: 'after', updatePipeline: true })
        .lean<Conversation>();
    const updated = await update({ _id: id, account: viewer.accountId, users: viewer.userId });
    if (updated !== null) return updated;
    // Another service may have stored these ids as text.
    const stored = await kind.conversations.findById(id).session(session).lean();
    const again = stored !== null && isAccessible(stored, viewer) ? await update({ _id: id }) : null;
    if (again === null) throw new GatewayError('NOT_FOUND');
    return again;
  };

  const store = (viewer: Viewer, { conversationId: id, message: draft, mentions }: Draft) =>
    counters.transact([id], async (transaction) => {
      const { session, record } = transaction;
      const conversation = await makeNewest(viewer, { id, message: draft }, session);
      const at = activeAt(conversation);
      const message = { ...draft, createdAt: at };
      const { members } = await withMembers(models, conversation, { viewer, transaction });
      const mentioned = toMentioned(members, mentions);

      await kind.messages.insertMany([message], { session });
      await models.Member.bulkWrite(toOperations(id, { sender: viewer.userId, mentioned, at }), { session });
      for (const member of members) {
        const isMentioned = member.mentioned || mentioned.some((user) => user.equals(member.user));
        const unread_count = member.unread_count + (member.user.equals(viewer.userId) ? 0 : 1);
        record(member, { ...member, mentioned: isMentioned, unread_count });
      }
      return { conversation, members, message };
    });

  /** What the same call has stored before. */
  const findStored = ({ userId }: Viewer, { conversationId, message }: Draft) =>
    kind.messages
      .findOne({ ...kind.said, conversation_id: conversationId, sent_by: userId, UUID: equalText(message.UUID) })
      .readConcern(acknowledgedReadConcern)
      .lean<StoredMessage>();

  /** The message of a retry that was refused: the checks are for new messages. @throws the refusal of a new one */
  const findSaid = async (viewer: Viewer, draft: Draft, refusal: unknown): Promise<StoredMessage> => {
    const isRepeated = isDuplicateKey(refusal, 'UUID');
    if (!isRepeated && !(refusal instanceof GatewayError)) throw refusal;
    if (!isRepeated) await ensureAccess(models, kind, { viewer, id: draft.conversationId });
    const before = await findStored(viewer, draft);
    if (before === null) throw isRepeated ? new GatewayError('CONFLICT') : refusal;
    return before;
  };

  return async (viewer: Viewer, draft: Draft): Promise<M> => {
    const view = { conversationId: draft.conversationId, viewerId: viewer.id };
    const [toWire, stored] = await Promise.all([
      kind.describeMessages([draft.message]),
      store(viewer, draft).catch(async (refusal: unknown) => ({ said: await findSaid(viewer, draft, refusal) })),
    ]);
    if ('said' in stored) return toWire(stored.said, view);
    const { conversation, members, message } = stored;
    const own = toWire(message, view);
    const others = members.map(({ user }) => user.toHexString()).filter((id) => id !== viewer.id);
    const { message: event } = kind.events;
    announce([viewer.id], { event, payload: own }, viewer.socketId);
    if (others.length > 0) {
      announce(others, { event, payload: toWire(message, { ...view, viewerId: '' }) });
      notify(others, { title: conversation.title, message: own, conversationId: draft.conversationId });
    }
    return own;
  };
}

/**
 * Makes a message the newest of its conversation. Its time is the node's, but at least one millisecond behind the newest
 * before: so messages are ordered as they were stored, though the clocks of nodes differ, and nobody has read past one that
 * is yet to come.
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

/** Of what is no date nothing is next. */
const NEXT_MOMENT = {
  $cond: [{ $eq: [{ $type: '$last_activity_at' }, 'date'] }, { $add: ['$last_activity_at', 1] }, null],
};

/** @throws GatewayError `NOT_FOUND` for somebody who does not take part */
function toMentioned(participants: readonly Member[], mentions: readonly string[]): Types.ObjectId[] {
  const byId = new Map(participants.map(({ user }) => [user.toHexString(), user]));
  return [...new Set(mentions)].map((id) => {
    const user = byId.get(id.toLowerCase());
    if (user === undefined) throw new GatewayError('NOT_FOUND');
    return user;
  });
}

/** What a message does to the members of its conversation. */
function toOperations(
  conversation: string,
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

import type { ClientSession, Types } from 'mongoose';
import type { Member } from '#shared/models/member.js';
import { GatewayError } from '../../errors.js';
import { payOnce } from '../../realtime/work.js';
import { type Access, ensureAccess, namedAmong, readMemberIds } from './access.js';
import type { CountedTransaction } from './counters/index.js';
import type { ConversationDependencies } from './dependencies.js';
import type { Description, StoredMessage, WireMessage } from './kind.js';
import { createSettleReads } from './publishing/settle-reads.js';
import { madeAt } from './times.js';
import type { Viewer } from './viewer.js';

/** A message id and its time. */
interface Position {
  readonly _id: Types.ObjectId;
  readonly createdAt: Date;
}

/**
 * Marks a conversation as read, completely or up to a message. The remaining unread messages are counted in the same
 * transaction. A message is stored in one transaction with the unread counts it raises, so none is counted twice or missed.
 * Reading an older message than before changes nothing.
 */
export function createRead<D extends Description, M extends WireMessage>(dependencies: ConversationDependencies<D, M>) {
  const { models, kind, counters, blocks, publish, publishConversation, publishToOtherSockets, work, clock } =
    dependencies;
  const settleRead = createSettleReads(dependencies);

  /** @throws GatewayError `NOT_FOUND` for a message of another conversation */
  const findTarget = async (
    conversation: { id: string; last_activity: Types.ObjectId | null },
    messageId: string | undefined,
    session: ClientSession,
  ): Promise<Position | null> => {
    const id = messageId ?? conversation.last_activity;
    if (id === null) return null;
    const found = await kind.messages
      .findOne({ _id: id, conversation_id: conversation.id }, { createdAt: 1 })
      .session(session)
      .lean<StoredMessage>();
    if (found === null && messageId !== undefined) throw new GatewayError('NOT_FOUND');
    return found === null ? null : { _id: found._id, createdAt: madeAt(found) };
  };

  const countBehind = (member: Member, { createdAt, _id }: Position, session: ClientSession): Promise<number> =>
    kind.messages
      .countDocuments({
        conversation_id: member.conversation,
        createdAt: { $gte: createdAt },
        $nor: [{ createdAt, _id: { $lte: _id } }],
        sent_by: { $ne: member.user },
      })
      // There cannot be more, so the count stops here.
      .limit(Math.max(member.unread_count, 1))
      .session(session);

  /** The member after reading; the same object when nothing changes. */
  const toRead = async (
    member: Member,
    target: Position | null,
    { isEverything, session }: { isEverything: boolean; session: ClientSession },
  ): Promise<Member> => {
    if (!isEverything && target !== null && member.last_read_at !== null && target.createdAt < member.last_read_at) {
      return member;
    }
    const position = target === null ? {} : { last_read: target._id, last_read_at: target.createdAt };
    const isNoneLeft = isEverything || target === null || member.unread_count === 0;
    const left = isNoneLeft ? 0 : Math.min(member.unread_count, await countBehind(member, target, session));
    return { ...member, ...position, unread_count: left };
  };

  return async function markConversationRead(
    viewer: Viewer,
    data: { conversation_id: string; message_id?: string | undefined },
  ): Promise<void> {
    const { conversation_id: id, message_id } = data;
    const [blocked, memberIds] = await Promise.all([blocks.of(viewer.id), readMemberIds(models, id)]);
    // Each participant is notified, and read for the viewer.
    const pay = payOnce((people) => work.pay(viewer.principal, { rows: people, receivers: people }));
    /** Sends how far the viewer has read, and later what is stored if that is further. */
    const tellOthers = (access: Access): void => {
      const { conversation, user, last_read } = access.member;
      const participants = namedAmong(memberIds, access.conversation);
      const others = participants.filter((id) => id !== viewer.id && !blocked.has(id));
      const send = (users: readonly string[], message_id: string | null): void => {
        const read_at = new Date(clock.now()).toISOString();
        const payload = { conversation_id: id, userID: viewer.id, message_id, read_at };
        publish(users, { event: kind.events.read, payload });
      };
      send(others, last_read?.toHexString() ?? null);
      settleRead({ conversation, user, last_read, others, send });
    };
    const tellLate = async (access: Access): Promise<void> => {
      tellOthers(access);
      await publishConversation({ conversation: access.conversation, members: [access.member] });
    };
    const markRead = async ({ session, record }: CountedTransaction): Promise<Access> => {
      const access = await ensureAccess(models, kind, { viewer, id, session });
      await pay(access.conversation.users.length);
      const { last_activity } = access.conversation;
      const target = await findTarget({ id, last_activity }, message_id, session);
      const isEverything = message_id === undefined || last_activity?.equals(message_id) === true;
      const after = await toRead(access.member, target, { isEverything, session });
      const { unread_count, last_read, last_read_at } = after;
      await models.Member.updateOne(
        { _id: after._id, conversation: id },
        { $set: { unread_count, last_read, last_read_at } },
        { session },
      );
      record(access.member, after);
      return { ...access, member: after };
    };
    const read = await counters.transact([id, viewer.id], markRead, tellLate);
    tellOthers(read);
    await publishToOtherSockets(read, viewer.socketId);
  };
}

import { type Amounts, amountsOfConversation } from '#shared/contracts/costs.js';
import type { Conversation } from '#shared/models/conversation.js';
import type { Member } from '#shared/models/member.js';
import { GatewayError, invalid } from '../../errors.js';
import { payOnce } from '../../realtime/work.js';
import { type Access, ensureAccess, ensureFullAccess, ensureHeard, type FullAccess } from './access.js';
import type { CountedTransaction } from './counters/index.js';
import type { ConversationDependencies } from './dependencies.js';
import type { Description, WireMessage } from './kind.js';
import type { Snoozes } from './snoozes.js';
import { type ConversationView, charactersOf } from './to-wire.js';
import type { Viewer } from './viewer.js';

type Shared = Pick<FullAccess, 'conversation' | 'members'>;

type OwnChange = Partial<Pick<Member, 'snoozed_until' | 'archived' | 'show_on_top'>>;

/** Changes conversations, for one participant or for all. */
export function createChanges<D extends Description, M extends WireMessage>(
  dependencies: ConversationDependencies<D, M> & { readonly snoozes: Pick<Snoozes, 'expect'> },
) {
  const { models, kind, counters, blocks, publishConversation, work, clock, snoozes } = dependencies;

  /** Changes the viewer's member and notifies their sockets. */
  const changeOwn = async (viewer: Viewer, id: string, change: OwnChange): Promise<ConversationView<D, M>> => {
    const pay = payOnce((people) => work.pay(viewer.principal, { rows: people }));
    const tellViewer = async ({ conversation, member }: Access): Promise<ConversationView<D, M>> =>
      (await publishConversation({ conversation, members: [member] }))(conversation, member);
    const changeMember = async ({ session, record }: CountedTransaction): Promise<Access> => {
      const access = await ensureAccess(models, kind, { viewer, id, session });
      await pay(access.conversation.users.length);
      const after = { ...access.member, ...change };
      await models.Member.updateOne({ _id: after._id, conversation: id }, { $set: change }, { session });
      record(access.member, after);
      return { conversation: access.conversation, member: after };
    };
    return tellViewer(await counters.transact([id, viewer.id], changeMember, tellViewer));
  };

  /**
   * Changes shared fields and their copies in the members, and notifies the participants without a block.
   * @throws GatewayError `FORBIDDEN` in a conversation of two users with a block between them
   */
  const changeShared = async (
    viewer: Viewer,
    id: string,
    change: { conversation: Partial<Conversation>; member: Partial<Pick<Member, 'is_open' | 'search_key'>> },
  ): Promise<ConversationView<D, M>> => {
    const blocked = await blocks.of(viewer.id);
    const pay = payOnce((amounts: Amounts) => work.pay(viewer.principal, amounts));
    const tellAll = async ({ conversation, members }: Shared): Promise<ConversationView<D, M>> => {
      const heard = members.filter(({ user }) => !blocked.has(user.toHexString()));
      const toWire = await publishConversation({ conversation, members: heard });
      const own = members.find(({ user }) => user.equals(viewer.userId));
      if (own === undefined) throw new GatewayError('NOT_FOUND');
      return toWire(conversation, own);
    };
    const changeAll = async (transaction: CountedTransaction): Promise<Shared> => {
      const { session, record } = transaction;
      const before = await ensureFullAccess(models, kind, { viewer, id, transaction });
      ensureHeard(viewer, before.members, blocked);
      const characters = charactersOf({ ...before.conversation, ...change.conversation });
      await pay(amountsOfConversation(before.members.length, characters));
      const after = await kind.conversations
        .findOneAndUpdate(
          { _id: id },
          { $set: { ...change.conversation, changed_by: viewer.userId } },
          { session, returnDocument: 'after' },
        )
        .lean<Conversation>();
      if (after === null) throw new GatewayError('NOT_FOUND');
      if (Object.keys(change.member).length === 0) return { conversation: after, members: before.members };
      await models.Member.updateMany({ conversation: id }, { $set: change.member }, { session });
      const changed = before.members.map((member) => ({ ...member, ...change.member }));
      for (const [index, member] of before.members.entries()) record(member, changed[index]);
      return { conversation: after, members: changed };
    };
    return tellAll(await counters.transact([id], changeAll, tellAll));
  };

  return {
    /** Snoozes the conversation, or ends the snooze. @throws GatewayError `VALIDATION_ERROR` for a time in the past */
    async snooze(viewer: Viewer, { conversation_id, until }: { conversation_id: string; until: string | null }) {
      const snoozed_until = until === null ? null : new Date(until);
      if (snoozed_until !== null && snoozed_until.getTime() <= clock.now()) {
        throw invalid('until', 'must be in the future');
      }
      const view = await changeOwn(viewer, conversation_id, { snoozed_until });
      if (snoozed_until !== null) snoozes.expect(snoozed_until);
      return view;
    },

    archive: (viewer: Viewer, { conversation_id, archive }: { conversation_id: string; archive: boolean }) =>
      changeOwn(viewer, conversation_id, { archived: archive }),

    showOnTop: (viewer: Viewer, data: { conversation_id: string; show_on_top: boolean }) =>
      changeOwn(viewer, data.conversation_id, { show_on_top: data.show_on_top }),

    open: (viewer: Viewer, { conversation_id, is_open }: { conversation_id: string; is_open: boolean }) =>
      changeShared(viewer, conversation_id, { conversation: { is_open }, member: { is_open } }),

    edit(
      viewer: Viewer,
      data: { conversation_id: string; title?: string | undefined; image?: string | string[] | undefined },
    ) {
      const { conversation_id, title, image } = data;
      return changeShared(viewer, conversation_id, {
        conversation: { ...(title !== undefined && { title }), ...(image !== undefined && { image: [image].flat() }) },
        member: title === undefined ? {} : { search_key: kind.searchKeyOf(title) },
      });
    },
  };
}

import { Types } from 'mongoose';
import type { Conversation } from '#shared/models/conversation.js';
import type { Member } from '#shared/models/member.js';
import { isNamed, namedIn } from './access.js';
import type { CountedTransaction } from './counters/index.js';
import type { ConversationDependencies } from './dependencies.js';
import type { Description, WireMessage } from './kind.js';
import { activeAt } from './times.js';
import type { Viewer } from './viewer.js';

/** Stores the members of conversations: the state of each participant. */
export function createMembers<D extends Description, M extends WireMessage>(
  dependencies: ConversationDependencies<D, M>,
) {
  const { models, kind, counters } = dependencies;

  /** Inserts a member for each of the users. */
  async function insert(
    conversation: Conversation,
    users: readonly string[],
    { session, record }: CountedTransaction,
  ): Promise<Member[]> {
    const members = users.map(
      (user): Member => ({
        _id: new Types.ObjectId(),
        conversation: conversation._id,
        kind: kind.name,
        user: new Types.ObjectId(user),
        account: conversation.account,
        channel_id: conversation.channel_id,
        unread_count: 0,
        show_on_top: false,
        snoozed_until: null,
        archived: false,
        mentioned: false,
        last_read: conversation.last_activity,
        last_read_at: conversation.last_activity === null ? null : activeAt(conversation),
        is_open: conversation.is_open,
        last_activity_at: activeAt(conversation),
        search_key: kind.searchKeyOf(conversation.title),
      }),
    );
    if (members.length === 0) return members;
    // Through the driver: values copied from other services may violate the schema, such as an empty channel.
    await models.Member.collection.insertMany(members, { session });
    for (const member of members) record(undefined, member);
    return members;
  }

  return {
    insert,

    /** Creates missing members for the users that a conversation names. */
    async ensureMembers(conversation: Conversation): Promise<void> {
      const id = conversation._id;
      const named = [...namedIn(conversation)];
      const known = await models.Member.countDocuments({ conversation: id, user: { $in: named } });
      if (known === named.length) return;
      await counters.transact([id.toHexString()], async (transaction) => {
        const members = await models.Member.find({ conversation: id }, { user: 1 }).session(transaction.session).lean();
        const present = new Set(members.map(({ user }) => user.toHexString()));
        const missing = named.filter((user) => !present.has(user));
        if (missing.length > 0) await insert(conversation, missing, transaction);
      });
    },

    /** Deletes members of conversations that no longer name the viewer. @returns the number of deleted members */
    end: (viewer: Viewer, members: readonly Member[]): Promise<number> =>
      counters.transact([viewer.id], async ({ session, record }) => {
        let ended = 0;
        for (const { _id, conversation } of members) {
          const found = await kind.conversations.findById(conversation, { users: 1 }).session(session).lean();
          if (found !== null && isNamed(found, viewer.userId)) continue;
          const member = await models.Member.findOneAndDelete({ _id, conversation }, { session }).lean();
          if (member === null) continue;
          record(member, undefined);
          ended += 1;
        }
        return ended;
      }),
  };
}

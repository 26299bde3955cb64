import { Types } from 'mongoose';
import { USERS_MAX } from '#shared/contracts/conversation-parts.js';
import type { Conversation } from '#shared/models/conversation.js';
import type { Models } from '#shared/models/index.js';
import type { Member } from '#shared/models/member.js';
import { GatewayError, invalid } from '../../errors.js';
import type { Clock } from '../../platform/clock.js';
import { ensureFullAccess, isNamed, namedIn } from './access.js';
import { type Announce, toUpdate } from './announce.js';
import { type CountedTransaction, type CounterStore, specialChannels } from './counters/index.js';
import type { ConversationKind, Description, WireMessage } from './kind.js';
import { activeAt } from './times.js';
import { type ConversationView, prepareToShow } from './to-wire.js';
import { canParticipate, type Viewer } from './viewer.js';

interface Dependencies<D extends Description, M extends WireMessage> {
  models: Models;
  kind: ConversationKind<D, M>;
  counters: CounterStore;
  announce: Announce;
  clock: Clock;
}

/** A conversation to create. */
export interface Draft {
  readonly users: readonly string[];
  readonly channel_id: string;
  readonly title?: string | undefined;
  readonly image?: string | string[] | undefined;
  /** Additional fields of the kind. */
  readonly more?: object;
}

/** Creates conversations and manages their participants. */
export function createMembership<D extends Description, M extends WireMessage>(dependencies: Dependencies<D, M>) {
  const { models, kind, counters, announce, clock } = dependencies;

  /** @throws GatewayError `NOT_FOUND` unless all are users of the viewer's account */
  const ensureColleagues = async ({ accountId, id }: Viewer, users: readonly string[]): Promise<string[]> => {
    const others = [...new Set(users.map((user) => user.toLowerCase()))].filter((user) => user !== id);
    const found = await models.User.find({ _id: { $in: others } }, { account: 1 }).lean();
    const known = found.filter(({ account }) => account?.equals(accountId) === true);
    if (known.length !== others.length) throw new GatewayError('NOT_FOUND');
    return others;
  };

  const insertMembers = async (
    conversation: Conversation,
    users: readonly string[],
    { session, record }: CountedTransaction,
  ): Promise<Member[]> => {
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
    // Lean: values copied from other services may violate the schema, such as an empty channel.
    await models.Member.insertMany(members, { session, lean: true });
    for (const member of members) record(undefined, member);
    return members;
  };

  return {
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
        if (missing.length > 0) await insertMembers(conversation, missing, transaction);
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

    /** Creates a conversation and sends it to all participants. @throws GatewayError `NOT_FOUND` for users of another account */
    async create(viewer: Viewer, draft: Draft): Promise<ConversationView<D, M>> {
      if (!canParticipate(viewer)) throw new GatewayError('NOT_FOUND');
      if (specialChannels.some((name) => name === draft.channel_id))
        throw invalid('channel_id', 'is reserved for a view over all channels');
      const users = [viewer.id, ...(await ensureColleagues(viewer, draft.users))];
      if (users.length > USERS_MAX) throw invalid('users', `at most ${USERS_MAX} users can participate`);
      const now = new Date(clock.now());
      const conversation: Conversation = {
        _id: new Types.ObjectId(),
        account: viewer.accountId,
        users: users.map((id) => new Types.ObjectId(id)),
        title: draft.title ?? '',
        image: [draft.image ?? []].flat(),
        channel_id: draft.channel_id,
        created_by: viewer.userId,
        is_open: true,
        last_activity: null,
        last_activity_at: now,
        createdAt: now,
        updatedAt: now,
        ...draft.more,
      };
      const members = await counters.transact(users, async (transaction) => {
        await kind.conversations.insertMany([conversation], { session: transaction.session });
        return insertMembers(conversation, users, transaction);
      });
      const toWire = await prepareToShow(models, kind, [conversation]);
      for (const member of members) {
        const payload = toWire(conversation, member);
        announce([member.user.toHexString()], { event: kind.events.added, payload });
      }
      const [own] = members;
      if (own === undefined) throw new GatewayError('INTERNAL_ERROR');
      return toWire(conversation, own);
    },

    /** Adds participants. Existing participants do not change. */
    async addParticipants(
      viewer: Viewer,
      { conversation_id: id, users }: { conversation_id: string; users: string[] },
    ) {
      const others = await ensureColleagues(viewer, users);
      const { conversation, members, added } = await counters.transact([id, ...others], async (transaction) => {
        const { session } = transaction;
        const before = await ensureFullAccess(models, kind, { viewer, id, transaction });
        const present = new Set(before.members.map(({ user }) => user.toHexString()));
        const named = namedIn(before.conversation);
        const invited = others.filter((user) => !named.has(user));
        if (named.size + invited.length > USERS_MAX)
          throw invalid('users', `at most ${USERS_MAX} users can participate`);
        const after = await kind.conversations
          .findOneAndUpdate(
            { _id: id },
            // Replaces the whole field, because another service may have stored a value that is not an array.
            { $set: { users: [...named, ...invited].map((user) => new Types.ObjectId(user)) } },
            { session, returnDocument: 'after' },
          )
          .lean();
        if (after === null) throw new GatewayError('NOT_FOUND');
        const missing = others.filter((user) => !present.has(user));
        const inserted = await insertMembers(after, missing, transaction);
        return {
          conversation: after,
          members: [...before.members, ...inserted],
          added: new Set([...invited, ...missing]),
        };
      });
      const toWire = await prepareToShow(models, kind, [conversation]);
      for (const member of members) {
        const user = member.user.toHexString();
        const payload = toWire(conversation, member);
        announce([user], added.has(user) ? { event: kind.events.added, payload } : toUpdate(payload));
      }
      const own = members.find(({ user }) => user.equals(viewer.userId));
      if (own === undefined) throw new GatewayError('NOT_FOUND');
      return toWire(conversation, own);
    },
  };
}

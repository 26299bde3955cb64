import { Types } from 'mongoose';
import { USERS_MAX } from '#shared/contracts/conversation-parts.js';
import { type Amounts, amountsOfConversation } from '#shared/contracts/costs.js';
import type { Conversation } from '#shared/models/conversation.js';
import type { Models } from '#shared/models/index.js';
import type { Member } from '#shared/models/member.js';
import { GatewayError, invalid } from '../../errors.js';
import { keyedId, makeOnce } from '../../platform/mongo/keyed-id.js';
import { payOnce } from '../../realtime/work.js';
import { ensureFullAccess, ensureHeard, namedIn } from './access.js';
import { ensureAccessToShow } from './consistent-access.js';
import { type CountedTransaction, specialChannels } from './counters/index.js';
import type { ConversationDependencies } from './dependencies.js';
import type { Description, WireMessage } from './kind.js';
import { createMembers } from './members.js';
import { toUpdate } from './publishing/publish.js';
import { type ConversationView, charactersOf, prepareToShow } from './to-wire.js';
import { canParticipate, type Viewer } from './viewer.js';

/** A conversation to create. */
export interface Draft {
  readonly users: readonly string[];
  readonly channel_id: string;
  readonly title?: string | undefined;
  readonly image?: string | string[] | undefined;
  /** The caller's id of it. The same again is the same conversation. */
  readonly UUID?: string | undefined;
  /** Additional fields of the kind. */
  readonly more?: object;
}

/** A conversation that users were added to. */
interface Joined {
  readonly conversation: Conversation;
  readonly all: readonly Member[];
  /** Their ids. */
  readonly added: ReadonlySet<string>;
}

/** Creates conversations and manages their participants. */
export function createMembership<D extends Description, M extends WireMessage>(
  dependencies: ConversationDependencies<D, M>,
) {
  const { models, kind, counters, blocks, publishConversation, work, clock } = dependencies;
  const members = createMembers(dependencies);
  const toAdded = (payload: ConversationView<D, M>) => ({ event: kind.events.added, payload });

  /** @throws GatewayError `FORBIDDEN` when users would be brought together who have a block between them */
  const ensureNoBlock = async (added: readonly string[], all: readonly string[]): Promise<void> => {
    if (await blocks.isBetween(added, all)) throw new GatewayError('FORBIDDEN');
  };

  /** The conversation that an earlier call has created. @throws GatewayError `NOT_FOUND` for a viewer who has left it */
  const showMade = async (viewer: Viewer, id: Types.ObjectId): Promise<ConversationView<D, M>> => {
    const { conversation, member } = await ensureAccessToShow(models, kind, { viewer, id: id.toHexString() });
    return (await prepareToShow(models, kind, [conversation]))(conversation, member);
  };

  const create = async (viewer: Viewer, _id: Types.ObjectId, draft: Draft): Promise<ConversationView<D, M>> => {
    if (!canParticipate(viewer)) throw new GatewayError('NOT_FOUND');
    if (specialChannels.some((name) => name === draft.channel_id))
      throw invalid('channel_id', 'is reserved for a view over all channels');
    const users = [viewer.id, ...(await ensureColleagues(models, viewer, draft.users))];
    if (users.length > USERS_MAX) throw invalid('users', `at most ${USERS_MAX} users can participate`);
    await ensureNoBlock(users, users);
    const conversation = toConversation(viewer, { _id, draft, users, now: new Date(clock.now()) });
    await work.pay(viewer.principal, amountsOfConversation(users.length, charactersOf(conversation)));
    const tellAll = async (added: readonly Member[]): Promise<ConversationView<D, M>> => {
      const toWire = await publishConversation({ conversation, members: added }, toAdded);
      const [own] = added;
      if (own === undefined) throw new GatewayError('INTERNAL_ERROR');
      return toWire(conversation, own);
    };
    const insert = async (transaction: CountedTransaction): Promise<Member[]> => {
      const { session } = transaction;
      await kind.conversations.collection.insertOne({ ...conversation, __v: 0 }, { session });
      return members.insert(conversation, users, transaction);
    };
    return tellAll(await counters.transact(users, insert, tellAll));
  };

  return {
    ensureMembers: members.ensureMembers,
    end: members.end,

    /**
     * Creates a conversation and sends it to all participants. A call with the same `UUID` is a retry.
     * @throws GatewayError `NOT_FOUND` for users of another account, `FORBIDDEN` for a block between any two
     */
    async create(viewer: Viewer, draft: Draft): Promise<ConversationView<D, M>> {
      if (draft.UUID === undefined) return create(viewer, new Types.ObjectId(), draft);
      const id = keyedId(kind.name, viewer.id, draft.UUID);
      return makeOnce({
        isMade: async () => (await kind.conversations.exists({ _id: id })) !== null,
        make: () => create(viewer, id, draft),
        show: () => showMade(viewer, id),
      });
    },

    /** Adds participants. Existing participants do not change. @throws GatewayError as `create` */
    async addParticipants(
      viewer: Viewer,
      { conversation_id: id, users }: { conversation_id: string; users: string[] },
    ) {
      const [others, blocked] = await Promise.all([ensureColleagues(models, viewer, users), blocks.of(viewer.id)]);
      const pay = payOnce((amounts: Amounts) => work.pay(viewer.principal, amounts));
      const tellAll = async ({ conversation, all, added }: Joined): Promise<ConversationView<D, M>> => {
        const heard = all.filter(({ user }) => !blocked.has(user.toHexString()));
        const toEvent = (view: ConversationView<D, M>, user: string) =>
          added.has(user) ? toAdded(view) : toUpdate(view);
        const toWire = await publishConversation({ conversation, members: heard }, toEvent);
        const own = all.find(({ user }) => user.equals(viewer.userId));
        if (own === undefined) throw new GatewayError('NOT_FOUND');
        return toWire(conversation, own);
      };
      const add = async (transaction: CountedTransaction): Promise<Joined> => {
        const { session } = transaction;
        const before = await ensureFullAccess(models, kind, { viewer, id, transaction });
        ensureHeard(viewer, before.members, blocked);
        const present = new Set(before.members.map(({ user }) => user.toHexString()));
        const named = namedIn(before.conversation);
        const invited = others.filter((user) => !named.has(user));
        if (named.size + invited.length > USERS_MAX)
          throw invalid('users', `at most ${USERS_MAX} users can participate`);
        await ensureNoBlock(invited, [...named, ...invited]);
        await pay(amountsOfConversation(named.size + invited.length, charactersOf(before.conversation)));
        const after = await kind.conversations
          .findOneAndUpdate(
            { _id: id },
            // Replaces the whole field, because another service may have stored a value that is not an array.
            {
              $set: {
                users: [...named, ...invited].map((user) => new Types.ObjectId(user)),
                changed_by: viewer.userId,
              },
            },
            { session, returnDocument: 'after' },
          )
          .lean();
        if (after === null) throw new GatewayError('NOT_FOUND');
        const missing = others.filter((user) => !present.has(user));
        const inserted = await members.insert(after, missing, transaction);
        return {
          conversation: after,
          all: [...before.members, ...inserted],
          added: new Set([...invited, ...missing]),
        };
      };
      return tellAll(await counters.transact([id, ...others], add, tellAll));
    },
  };
}

const toConversation = (
  viewer: Viewer,
  { _id, draft, users, now }: { _id: Types.ObjectId; draft: Draft; users: readonly string[]; now: Date },
): Conversation => ({
  _id,
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
});

/** @throws GatewayError `NOT_FOUND` unless all are users of the viewer's account */
async function ensureColleagues(
  models: Pick<Models, 'User'>,
  { accountId, id }: Viewer,
  users: readonly string[],
): Promise<string[]> {
  const others = [...new Set(users)].filter((user) => user !== id);
  const found = await models.User.find({ _id: { $in: others } }, { account: 1 }).lean();
  const known = found.filter(({ account }) => account?.equals(accountId) === true);
  if (known.length !== others.length) throw new GatewayError('NOT_FOUND');
  return others;
}

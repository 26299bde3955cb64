import type { Amounts } from '#shared/contracts/costs.js';
import type { Conversation } from '#shared/models/conversation.js';
import type { Tally } from '#shared/models/counter.js';
import { type Member, type MemberList, memberIndexOf, memberLists, memberOrder } from '#shared/models/member.js';
import { GatewayError } from '../../errors.js';
import { readDocument, readStored, storedForms } from '../../models/index.js';
import { isOnShards } from '../../platform/mongo/cluster.js';
import type { Range } from '../../platform/mongo/keyset.js';
import { type Access, isAccessible, isNamed } from './access.js';
import { readConsistently } from './consistent-access.js';
import type { CountedMembers } from './counters/index.js';
import type { ConversationDependencies } from './dependencies.js';
import type { ConversationKind, Description, StoredMessage, WireMessage } from './kind.js';
import type { createMembership } from './membership.js';
import type { createMessageLists } from './messages.js';
import { takeFitting } from './pages.js';
import { createSearch, type SearchQuery } from './search.js';
import {
  amountsOfShown,
  type ConversationView,
  charactersOfMessage,
  charactersOfView,
  prepareToShow,
} from './to-wire.js';
import type { Viewer } from './viewer.js';

interface Dependencies<D extends Description, M extends WireMessage> extends ConversationDependencies<D, M> {
  messages: ReturnType<typeof createMessageLists<D, M>>;
  membership: ReturnType<typeof createMembership<D, M>>;
}

/** Filters of a list. */
export interface ListQuery extends SearchQuery {
  readonly channel_id?: string | undefined;
  readonly page: number;
  readonly limit: number;
  /** Number of newest messages returned with each conversation. */
  readonly message_limit: number;
  readonly status?: Exclude<MemberList, 'listed' | 'mentioned'> | undefined;
  /** Range of the last activity, ISO 8601, inclusive. */
  readonly from?: string | undefined;
  readonly to?: string | undefined;
}

/** One page of conversations on the wire. */
export interface ConversationList<D extends Description, M extends WireMessage> {
  readonly conversation: ConversationView<D, M>[];
  readonly messageList: Record<string, M[]>;
  readonly paging: { page: number; limit: number; total: number; has_next: boolean };
}

const ORDER = ['show_on_top', 'last_activity_at', '_id'] as const;
/** Maximum size of the conversations of one answer. With their messages they stay below what may wait for a client. */
const CONVERSATIONS_SIZE_MAX = 400_000;
/** Totals of time ranges are counted up to this; totals of whole lists are stored counters. */
const TOTAL_MAX = 5000;

/** Lists the conversations of a user. Every list is a range scan of one index; its total is a stored counter. */
export function createConversationLists<D extends Description, M extends WireMessage>(
  dependencies: Dependencies<D, M>,
) {
  const { models, kind, pages, work, counters, messages, membership } = dependencies;
  const search = createSearch(models, kind, work);

  /**
   * @param suspects members that are not shown, and may be stale
   * @returns also the stale members: another service removed the viewer from those conversations and left the member
   */
  const show = async (viewer: Viewer, members: readonly Member[], suspects: readonly Member[] = []) => {
    const { found: all, messages } = await readConversations(kind, viewer, { members, suspects });
    const byId = new Map(all.map((conversation) => [conversation._id.toHexString(), conversation]));
    const accesses = members.flatMap((member): Access[] => {
      const conversation = byId.get(member.conversation.toHexString());
      return conversation === undefined ? [] : [{ conversation, member }];
    });
    const shown = await readConsistently(models, kind, accesses);
    const found = shown.map(({ conversation }) => conversation);
    await work.pay(viewer.principal, amountsOfShown(found, messages));
    const toWire = await prepareToShow(models, kind, found, messages);
    const left = new Set(all.filter((one) => !isNamed(one, viewer.userId)).map(({ _id }) => _id.toHexString()));
    const departed = [...new Set([...members, ...suspects])].filter((one) => left.has(one.conversation.toHexString()));
    const visible = shown.filter(({ conversation }) => isAccessible(conversation, viewer));
    const entries = visible.map(({ conversation, member }) => ({ member, view: toWire(conversation, member) }));
    return { entries, departed };
  };

  /**
   * One page of conversations: pinned first, then newest.
   * @param counted the viewer's counters, and all conversations if they have been read
   * @returns `undefined` when some of `counted` are stale
   */
  const read = async (
    viewer: Viewer,
    query: ListQuery,
    counted?: CountedMembers,
  ): Promise<ConversationList<D, M> | undefined> => {
    const { page, limit } = query;
    const { name, channel, filter, hint } = toSelection(query);
    const activity = toActivityRange(query);
    const own = [{ user: viewer.userId, kind: kind.name, ...filter }, ...activity];
    const searched = search.begin(viewer, query);
    const key = `${kind.name} ${viewer.socketId} ${JSON.stringify({ ...query, page: 0 })}`;
    const members = counted?.members?.filter((member) => member.kind === kind.name);
    const readMembers = async (range: Range, bounds: { limit: number; skip: number }): Promise<Member[]> => {
      if (members !== undefined && Object.keys(range).length === 0) return takeListed(members, query, bounds);
      const filters = [...own, range];
      if (searched !== undefined) return searched.read({ filters, hint }, bounds);
      // Through the driver: Mongoose refuses a range of another type than the schema's.
      const options = { sort: memberOrder, hint, ...bounds };
      const found = await models.Member.collection.find({ $and: filters }, options).toArray();
      return found.map((member) => readDocument('Member', member)) as unknown as Member[];
    };
    const pay = (amounts: Amounts): Promise<void> => work.pay(viewer.principal, amounts);
    /**
     * @returns also whether the members have only now been counted, which can move them to other places; nothing for a search,
     *   which counts what it finds
     */
    const count = async (): Promise<{ total?: number; isFirst?: boolean }> => {
      if (searched !== undefined) return {};
      if (counted !== undefined) return { total: counted.sizeOf(channel ?? 'you', kind.name)[name] };
      if (activity.length > 0) {
        const examined = await models.Member.countDocuments({ $and: own }).hint(hint).limit(TOTAL_MAX);
        await pay({ examined });
        return { total: examined };
      }
      const { sizes, isFirst } = await counters.sizes(viewer.userId, channel ?? 'you', kind.name);
      return { total: sizes[name], isFirst };
    };
    const readPage = () => pages.read({ key, order: ORDER, read: readMembers, pay }, { page, limit });
    const [{ total, isFirst = false }, first] = await Promise.all([count(), readPage()]);
    const { items, hasNext, before, endAfter } = isFirst ? await readPage() : first;
    const { entries, departed } = await show(viewer, items, members);
    if (departed.length > 0) {
      if (counted !== undefined) return undefined;
      if ((await membership.end(viewer, departed)) > 0) return read(viewer, query);
    }
    const fitting = takeFitting(entries, ({ view }) => charactersOfView(view), CONVERSATIONS_SIZE_MAX);
    const isCut = fitting.length < entries.length;
    const last = isCut && items.find(({ _id }) => fitting.at(-1)?.member._id.equals(_id));
    if (last) endAfter(last);
    const conversations = fitting.map(({ view }) => view);
    return {
      conversation: conversations,
      messageList: await readMessages(viewer, conversations, query.message_limit),
      paging: { page, limit, total: total ?? before + (searched?.count() ?? 0), has_next: hasNext || isCut },
    };
  };
  return {
    read,
    list: async (viewer: Viewer, query: ListQuery): Promise<ConversationList<D, M>> => {
      const list = await read(viewer, query);
      if (list === undefined) throw new GatewayError('INTERNAL_ERROR');
      return list;
    },
    /** Whether another service has removed the viewer from the conversation of one of these members. */
    async hasDeparted(viewer: Viewer, { members = [] }: CountedMembers): Promise<boolean> {
      const suspects = members.filter((member) => member.kind === kind.name);
      const { found } = await readConversations(kind, viewer, { members: [], suspects });
      return found.some((conversation) => !isNamed(conversation, viewer.userId));
    },
  };

  async function readMessages(
    viewer: Viewer,
    conversations: readonly ConversationView<D, M>[],
    limit: number,
  ): Promise<Record<string, M[]>> {
    const ids = conversations.map(({ _id }) => _id);
    if (limit > 1) return messages.newestOf(viewer, ids, limit);
    const newest = limit === 0 ? [] : conversations.flatMap(({ last_activity }) => last_activity ?? []);
    const fitting = new Set<M | null>(takeFitting(newest, charactersOfMessage));
    return Object.fromEntries(
      conversations.map(({ _id, last_activity }) => [
        _id,
        last_activity !== null && fitting.has(last_activity) ? [last_activity] : [],
      ]),
    );
  }
}

/** A stored conversation and its newest message. */
type WithNewest = Conversation & { [NEWEST]?: StoredMessage[] };
const NEWEST = 'newest message';

/**
 * Reads the conversations of members with their newest messages, as far as one query can.
 * @param members all of theirs are found
 * @param suspects of theirs only those that seem not to name the viewer
 */
async function readConversations(
  { conversations: model, messages }: Pick<ConversationKind, 'conversations' | 'messages'>,
  { userId }: Viewer,
  { members, suspects }: { members: readonly Member[]; suspects: readonly Member[] },
): Promise<{ found: Conversation[]; messages: StoredMessage[] }> {
  const idsOf = (some: readonly Member[]) => ({ $in: some.map(({ conversation }) => conversation) });
  const branches = [
    ...(members.length === 0 ? [] : [{ _id: idsOf(members) }]),
    ...(suspects.length === 0 ? [] : [{ _id: idsOf(suspects), users: { $nin: storedForms(userId) } }]),
  ];
  if (branches.length === 0) return { found: [], messages: [] };
  const lookup = {
    from: messages.collection.collectionName,
    localField: 'last_activity',
    foreignField: '_id',
    as: NEWEST,
  };
  const match = { $match: branches.length === 1 ? branches[0] : { $or: branches } };
  // In a cluster each message would be looked for on every shard. They are read by their conversations then.
  const stages = isOnShards(model.db) ? [match] : [match, { $lookup: lookup }];
  const options = { batchSize: members.length + suspects.length + 1 };
  const found = (await model.collection.aggregate(stages, options).toArray()) as WithNewest[];
  const newest = found.flatMap((conversation) => conversation[NEWEST] ?? []);
  return {
    found: found.map(({ [NEWEST]: _, ...conversation }) => readStored(model, conversation)),
    messages: newest.map((message) => readStored(messages, message)),
  };
}

/** The entries of a list without filters, in order. @param members all of one kind */
function takeListed(
  members: readonly Member[],
  query: ListQuery,
  { skip, limit }: { skip: number; limit: number },
): Member[] {
  const { channel } = toSelection(query);
  const isOfChannel = ({ channel_id, mentioned }: Member): boolean =>
    channel === undefined || (channel === 'mentions' ? mentioned : channel_id === channel);
  return members
    .filter((member) => !member.archived && member.snoozed_until === null && isOfChannel(member))
    .sort(compareMembers)
    .slice(skip, skip + limit);
}

const compareMembers = (one: Member, other: Member): number =>
  Number(other.show_on_top) - Number(one.show_on_top) ||
  (other.last_activity_at?.getTime() ?? 0) - (one.last_activity_at?.getTime() ?? 0) ||
  other._id.toHexString().localeCompare(one._id.toHexString());

/** The filter of a list, and the index that serves it. */
function toSelection({ status, channel_id }: ListQuery) {
  const name: keyof Tally = status ?? 'listed';
  const channel = channel_id === 'you' || channel_id === 'prospect' ? undefined : channel_id;
  if (channel === 'mentions') {
    const hint = name === 'archived' ? name : 'mentioned';
    return { name, channel, hint, filter: { ...memberLists[name], mentioned: true } };
  }
  const hint = memberIndexOf(name, channel !== undefined);
  return { name, channel, hint, filter: { ...memberLists[name], ...(channel && { channel_id: channel }) } };
}

/** The range of the last activity. It names both values of `show_on_top`, the first key of the index. */
const toActivityRange = ({ from, to }: ListQuery): object[] => {
  if (from === undefined && to === undefined) return [];
  const bounds = {
    ...(from !== undefined && { $gte: new Date(from) }),
    ...(to !== undefined && { $lte: new Date(to) }),
  };
  return [{ show_on_top: { $in: [true, false] }, last_activity_at: bounds }];
};

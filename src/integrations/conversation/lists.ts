import type { Amounts } from '#shared/contracts/costs.js';
import type { Conversation } from '#shared/models/conversation.js';
import type { Tally } from '#shared/models/counter.js';
import { type Member, type MemberList, memberIndexOf, memberLists } from '#shared/models/member.js';
import { readDocument } from '../../models/index.js';
import type { Range } from '../../platform/mongo/keyset.js';
import { isNamed } from './access.js';
import type { ConversationDependencies } from './dependencies.js';
import type { Description, WireMessage } from './kind.js';
import type { createMembership } from './membership.js';
import type { createMessageLists } from './messages.js';
import { createSearch, type SearchQuery, SORT } from './search.js';
import { type ConversationView, prepareToShow } from './to-wire.js';
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
/** Totals of time ranges are counted up to this; totals of whole lists are stored counters. */
const TOTAL_MAX = 5000;

/** Lists the conversations of a user. Every list is a range scan of one index; its total is a stored counter. */
export function createConversationLists<D extends Description, M extends WireMessage>(
  dependencies: Dependencies<D, M>,
) {
  const { models, kind, pages, work, counters, messages, membership } = dependencies;
  const search = createSearch(models, kind, work);

  /** @returns also the stale members: another service removed the viewer from those conversations and left the member */
  const show = async (viewer: Viewer, members: readonly Member[]) => {
    const found: Conversation[] =
      members.length === 0
        ? []
        : await kind.conversations.find({ _id: { $in: members.map(({ conversation }) => conversation) } }).lean();
    const users = found.flatMap((conversation) => conversation.users.map(String));
    await work.pay(viewer.principal, { rows: found.length + new Set(users).size, details: users.length });
    const byId = new Map(found.map((conversation) => [conversation._id.toHexString(), conversation]));
    const toWire = await prepareToShow(models, kind, found);
    const departed: Member[] = [];
    const conversations = members.flatMap((member) => {
      const conversation = byId.get(member.conversation.toHexString());
      if (conversation === undefined || !conversation.account.equals(viewer.accountId)) return [];
      if (isNamed(conversation, viewer.userId)) return [toWire(conversation, member)];
      departed.push(member);
      return [];
    });
    return { conversations, departed };
  };

  /** One page of conversations: pinned first, then newest. */
  const list = async (viewer: Viewer, query: ListQuery): Promise<ConversationList<D, M>> => {
    const { page, limit } = query;
    const { name, channel, filter, hint } = toSelection(query);
    const activity = toActivityRange(query);
    const own = [{ user: viewer.userId, kind: kind.name, ...filter }, ...activity];
    const condition = await search.toCondition(viewer, { filters: own, hint }, query);
    const key = `${kind.name} ${viewer.socketId} ${JSON.stringify({ ...query, page: 0 })}`;
    const read = async (range: Range, bounds: { limit: number; skip: number }): Promise<Member[]> => {
      const filters = [...own, range];
      if (condition !== undefined) return search.read({ filters, hint }, condition, bounds);
      // Through the driver: Mongoose refuses a range of another type than the schema's.
      const options = { sort: SORT, hint, ...bounds };
      const found = await models.Member.collection.find({ $and: filters }, options).toArray();
      return found.map((member) => readDocument('Member', member)) as unknown as Member[];
    };
    const pay = (amounts: Amounts): Promise<void> => work.pay(viewer.principal, amounts);
    const count = async (): Promise<number> => {
      if (condition !== undefined) return search.count({ filters: own, hint }, condition);
      if (activity.length > 0) {
        const counted = await models.Member.countDocuments({ $and: own }).hint(hint).limit(TOTAL_MAX);
        await pay({ examined: counted });
        return counted;
      }
      return (await counters.sizes(viewer.userId, channel ?? 'you', kind.name))[name];
    };
    // First: the first count completes members that other services wrote, which moves them to their places in the index.
    const total = await count();
    const { items, hasNext } = await pages.read({ key, order: ORDER, read, pay }, { page, limit });
    const { conversations, departed } = await show(viewer, items);
    if (departed.length > 0 && (await membership.end(viewer, departed)) > 0) return list(viewer, query);
    return {
      conversation: conversations,
      messageList: await readMessages(viewer, conversations, query.message_limit),
      paging: { page, limit, total, has_next: hasNext },
    };
  };
  return { list };

  async function readMessages(
    viewer: Viewer,
    conversations: readonly ConversationView<D, M>[],
    limit: number,
  ): Promise<Record<string, M[]>> {
    const ids = conversations.map(({ _id }) => _id);
    if (limit > 1) return messages.newestOf(viewer, ids, limit);
    return Object.fromEntries(
      conversations.map(({ _id, last_activity }) => [
        _id,
        limit === 0 || last_activity === null ? [] : [last_activity],
      ]),
    );
  }
}

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

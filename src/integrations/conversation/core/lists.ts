import type { Types } from 'mongoose';
import type { Conversation } from '#shared/models/conversation.js';
import type { Tally } from '#shared/models/counter.js';
import type { Models } from '#shared/models/index.js';
import { type Member, type MemberList, memberIndexOf, memberLists } from '#shared/models/member.js';
import type { CounterStore } from '../../../realtime/counters/index.js';
import type { ConversationKind, Description, WireMessage } from './kind.js';
import type { createMessageLists } from './messages.js';
import type { Pages } from './pages.js';
import { type ConversationView, prepareToShow } from './to-wire.js';
import type { Viewer } from './viewer.js';

interface Dependencies<D extends Description, M extends WireMessage> {
  models: Models;
  kind: ConversationKind<D, M>;
  pages: Pages;
  counters: CounterStore;
  messages: ReturnType<typeof createMessageLists<D, M>>;
}

/** Which conversations. */
export interface ListQuery {
  readonly channel_id?: string | undefined;
  readonly page: number;
  readonly limit: number;
  /** Part of the title, or of the name of somebody who takes part. */
  readonly search?: string | undefined;
  /** How many of the newest messages of each conversation to give along. */
  readonly message_limit: number;
  readonly status?: Exclude<MemberList, 'listed' | 'mentioned'> | undefined;
  /** Who takes part too, all of them. */
  readonly users?: readonly string[] | undefined;
  /** First and last moment of the last activity, ISO 8601. */
  readonly from?: string | undefined;
  readonly to?: string | undefined;
}

/** A page of conversations on the wire. */
export interface ConversationList<D extends Description, M extends WireMessage> {
  readonly conversation: ConversationView<D, M>[];
  readonly messageList: Record<string, M[]>;
  readonly paging: { page: number; limit: number; total: number; has_next: boolean };
}

const ORDER = ['show_on_top', 'last_activity_at', '_id'] as const;
const SORT = { show_on_top: -1, last_activity_at: -1, _id: -1 } as const;
/** Searching by people looks at so many of their newest conversations with the viewer, and at so many people. */
const COMMON_MAX = 1000;
const PEOPLE_MAX = 100;

/** Lists the conversations of a user: every list is a range of one index, its total a stored number. */
export function createConversationLists<D extends Description, M extends WireMessage>(
  dependencies: Dependencies<D, M>,
) {
  const { models, kind, pages, counters, messages } = dependencies;

  /** Ids of the newest conversations that the viewer has with some people. */
  const common = async ({ accountId, userId }: Viewer, users: object): Promise<Types.ObjectId[]> => {
    const found = await kind.conversations
      .find({ account: accountId, $and: [{ users: userId }, { users }] }, { _id: 1 })
      .sort({ last_activity_at: -1 })
      .limit(COMMON_MAX)
      .lean();
    return found.map(({ _id }) => _id);
  };

  const searchFilter = async (viewer: Viewer, search: string): Promise<object> => {
    const pattern = { $regex: escapePattern(search), $options: 'i' };
    const people = await models.User.find({ account: viewer.accountId, name: pattern }, { _id: 1 })
      .limit(PEOPLE_MAX)
      .lean();
    const others = people.map(({ _id }) => _id).filter((id) => !viewer.userId.equals(id));
    const ids = others.length === 0 ? [] : await common(viewer, { $in: others });
    return { $or: [{ title: pattern }, { conversation: { $in: ids } }] };
  };

  /** What is asked for beyond a list and a channel: it has no index of its own, but one that holds no other's documents. */
  const extraFilters = async (viewer: Viewer, { search, users, from, to }: ListQuery): Promise<object[]> => [
    ...(search === undefined || search === '' ? [] : [await searchFilter(viewer, search)]),
    ...(users === undefined || users.length === 0
      ? []
      : [{ conversation: { $in: await common(viewer, { $all: users }) } }]),
    ...(from === undefined ? [] : [{ last_activity_at: { $gte: new Date(from) } }]),
    ...(to === undefined ? [] : [{ last_activity_at: { $lte: new Date(to) } }]),
  ];

  const show = async (viewer: Viewer, members: readonly Member[]): Promise<ConversationView<D, M>[]> => {
    const found: Conversation[] =
      members.length === 0
        ? []
        : await kind.conversations
            .find({ _id: { $in: members.map(({ conversation }) => conversation) }, account: viewer.accountId })
            .lean();
    const byId = new Map(found.map((conversation) => [conversation._id.toHexString(), conversation]));
    const toWire = await prepareToShow(models, kind, found);
    return members.flatMap((member) => {
      const conversation = byId.get(member.conversation.toHexString());
      // Taken out by another service that left the member behind.
      const isIn = conversation?.users.some((id) => id.equals(viewer.userId)) === true;
      return conversation !== undefined && isIn ? [toWire(conversation, member)] : [];
    });
  };

  return {
    /** A page of conversations, pinned ones first, then the newest. */
    async list(viewer: Viewer, query: ListQuery): Promise<ConversationList<D, M>> {
      const { page, limit } = query;
      const { list, channel, filter, hint } = toSelection(query);
      const extra = await extraFilters(viewer, query);
      const own = { user: viewer.userId, kind: kind.name, ...filter };
      const read = (range: object, { limit: count, skip }: { limit: number; skip: number }) =>
        models.Member.find({ $and: [own, ...extra, range] })
          .sort(SORT)
          .skip(skip)
          .limit(count)
          .hint(hint)
          .lean();
      const key = `${kind.name} ${viewer.id} ${JSON.stringify({ ...query, page: 0 })}`;
      const [{ items, hasNext }, total] = await Promise.all([
        pages.read({ key, order: ORDER, read }, { page, limit }),
        extra.length === 0
          ? counters.sizes(viewer.userId, channel ?? 'you', kind.name).then((sizes) => sizes[list])
          : models.Member.countDocuments({ $and: [own, ...extra] }).hint(hint),
      ]);
      const conversation = await show(viewer, items);
      return {
        conversation,
        messageList: await readMessages(viewer, conversation, query.message_limit),
        paging: { page, limit, total, has_next: hasNext },
      };
    },
  };

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

/** The list that a query names, as a filter and the index that serves it. */
function toSelection({ status, channel_id }: ListQuery) {
  const list: keyof Tally = status ?? 'listed';
  const channel = channel_id === 'you' || channel_id === 'prospect' ? undefined : channel_id;
  if (channel === 'mentions') {
    const hint = list === 'archived' ? list : 'mentioned';
    return { list, channel, hint, filter: { ...memberLists[list], mentioned: true } };
  }
  const hint = memberIndexOf(list, channel !== undefined);
  return { list, channel, hint, filter: { ...memberLists[list], ...(channel && { channel_id: channel }) } };
}

/** Text as a pattern that matches just this text. */
const escapePattern = (text: string): string =>
  text.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&').replaceAll('\0', '\\x00');

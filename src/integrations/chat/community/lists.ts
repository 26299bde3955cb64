import { isObjectIdOrHexString, type Types } from 'mongoose';
import type { z } from 'zod';
import type { chat as wireChat } from '#shared/contracts/community-parts.js';
import type { Chat } from '#shared/models/chat.js';
import type { ChatMessage } from '#shared/models/chat-message.js';
import type { Principal } from '../../../auth/principal.js';
import type { Context } from '../../../framework/context.js';
import { readDocument, storedValue } from '../../../models/index.js';
import { type KeysetPlace, placeOfTime, readAfter } from '../../../platform/mongo/keyset.js';
import { type Authentication, isPositioned, type UserCaller } from '../shared/index.js';
import { chatNotFound } from './access.js';
import type { PageQuery } from './history.js';
import type { ChatLog } from './log.js';
import type { RateLimits } from './rate-limits.js';
import { isMuted, settingOf } from './settings.js';
import { toWireMessage } from './to-wire.js';
import { createCountUnread, UNREAD_PAGE, type Unread } from './unread.js';
import type { UserSummaries } from './user-summaries.js';

/** A chat on the wire. */
export type WireChat = z.output<typeof wireChat>;

interface Dependencies extends Pick<Context, 'models' | 'clock'> {
  rateLimits: RateLimits;
  authentication: Authentication;
  summaries: UserSummaries;
  log: ChatLog;
}

/** Counting the unread messages of a chat is a query, also where there are none. */
const LEAST_EXAMINED = 50;
/** Examined messages per payment. */
const LEAST_PAID = 500;

/** The user who reads the list, to whom its cost is charged. */
type Viewer = UserCaller & { readonly principal: Principal };

/** The chats of a user, in pages. See {@link createLists}. */
export type ChatLists = ReturnType<typeof createLists>;

/** Lists the chats of a user, last active first. */
export function createLists({ models, clock, rateLimits, authentication, summaries, log }: Dependencies) {
  const countUnread = createCountUnread(log);

  const findPlace = async (user: Types.ObjectId, before: string | undefined): Promise<KeysetPlace | undefined> => {
    if (before === undefined) return undefined;
    if (!isObjectIdOrHexString(before)) return placeOfTime(new Date(before), 'descending');
    const found = await models.Chat.findOne({ _id: before, participants: user }, { lastActivity: 1 }).lean<Chat>();
    if (found === null) throw chatNotFound();
    return { value: storedValue(found, 'lastActivity'), _id: found._id };
  };

  /** Messages of other services become the last message without a position. */
  const backfillIfForeign = async (chat: Chat, lastMessage: ChatMessage | undefined): Promise<void> => {
    const isForeign = lastMessage !== undefined && !isPositioned(lastMessage) && chat.lastPosition != null;
    if (isForeign) await log.backfill(chat._id);
  };

  const readNewest = async (chats: readonly Chat[]): Promise<Map<string, ChatMessage>> => {
    const ids = chats.flatMap(({ lastMessage }) => lastMessage ?? []);
    if (ids.length === 0) return new Map();
    const own = { _id: { $in: ids }, chat: { $in: chats.map(({ _id }) => _id) } };
    const found = await models.ChatMessage.find(own).lean<ChatMessage[]>();
    return new Map(found.map((message) => [message._id.toHexString(), message]));
  };

  /**
   * A message that was stored after the chats were read counts as unread, so it is shown as the last one: a client that counts on
   * from there gets it as an event, too, and would count it twice.
   */
  const followUnread = (chats: readonly Chat[], newest: ReadonlyMap<string, ChatMessage>, counted: readonly Unread[]) =>
    chats.map((chat, index): Chat => {
      const last = counted[index]?.last;
      const shown = newest.get(String(chat.lastMessage));
      const isLater = last !== undefined && isPositioned(last) && last.position > (shown?.position ?? 0);
      return isLater ? { ...chat, lastMessage: last._id, lastActivity: last.createdAt ?? lastActivityOf(chat) } : chat;
    });

  /** Unread messages of each chat. Of most chats few messages are examined; what was paid for more is given back. */
  const countAll = async (chats: readonly Chat[], newest: ReadonlyMap<string, ChatMessage>, viewer: Viewer) => {
    const details = chats.reduce((sum, { participants }) => sum + participants.length, 0);
    const paid = { details, examined: chats.length * UNREAD_PAGE };
    await rateLimits.pay(viewer.principal, paid);
    // Pages beyond the first are paid for together, because one alone is less than a point.
    let owed = 0;
    const payForMore = async (more: number): Promise<void> => {
      owed += more;
      if (owed < LEAST_PAID) return;
      const due = owed;
      owed = 0;
      await rateLimits.pay(viewer.principal, { examined: due });
    };
    const counted = await Promise.all(
      chats.map(async (chat) => {
        await backfillIfForeign(chat, newest.get(String(chat.lastMessage)));
        return countUnread(chat, viewer._id, payForMore);
      }),
    );
    const examined = counted.reduce(
      (sum, one) => sum + Math.max(LEAST_EXAMINED, Math.min(one.examined, UNREAD_PAGE)),
      0,
    );
    await rateLimits.settle(viewer.principal, { paid, done: { details, examined } });
    return counted;
  };

  const show = async (stored: readonly Chat[], viewer: Viewer): Promise<WireChat[]> => {
    const newestStored = await readNewest(stored);
    const counted = await countAll(stored, newestStored, viewer);
    const chats = followUnread(stored, newestStored, counted);
    const later = await readNewest(chats.filter((chat) => !stored.includes(chat)));
    const newest = new Map([...newestStored, ...later]);
    const senders = [...newest.values()].map(({ sender }) => sender);
    const people = await summaries.read([...senders, ...chats.flatMap((chat) => otherOf(chat, viewer._id) ?? [])]);
    return chats.map((chat, index) => {
      const lastMessage = newest.get(chat.lastMessage?.toHexString() ?? '');
      const other = people.get(otherOf(chat, viewer._id)?.toHexString() ?? '');
      const setting = settingOf(chat, viewer._id);
      return {
        _id: chat._id.toHexString(),
        type: chat.type ?? 'direct',
        participants: chat.participants.map((id) => id.toHexString()),
        groupName: chat.groupName ?? null,
        chatName: chat.type === 'group' ? (chat.groupName ?? '') : (other?.name ?? ''),
        chatImage: chat.type === 'group' ? null : (other?.image ?? null),
        lastMessage:
          lastMessage === undefined ? null : toWireMessage(lastMessage, people.get(String(lastMessage.sender))),
        lastActivity: lastActivityOf(chat).toISOString(),
        pinnedMessages: (chat.pinnedMessages ?? []).map((id) => id.toHexString()),
        isMuted: isMuted(setting, clock.now()),
        mutedUntil: setting?.mutedUntil?.toISOString() ?? null,
        unreadCount: counted[index]?.unread ?? 0,
      };
    });
  };

  return {
    async page(principal: Principal, { before, limit }: PageQuery): Promise<WireChat[]> {
      await rateLimits.pay(principal, { rows: limit });
      const viewer = { ...(await authentication.userOf(principal)), principal };
      const place = await findPlace(viewer._id, before);
      const list = { base: { participants: viewer._id }, field: 'lastActivity', direction: 'descending' } as const;
      const chats = await readAfter<Chat>(models.Chat, list, { place, limit });
      return show(
        chats.map((chat) => readDocument('Chat', chat)),
        viewer,
      );
    },
    /** @throws ChatError `NOT_FOUND` if the viewer was removed in the meantime */
    async showOne(chat: Chat, viewer: Viewer): Promise<WireChat> {
      const [shown] = await show([chat], viewer);
      if (shown === undefined) throw chatNotFound();
      return shown;
    },
  };
}

const lastActivityOf = ({ lastActivity, createdAt, _id }: Chat): Date =>
  lastActivity ?? createdAt ?? _id.getTimestamp();

/** The other user of a direct chat. */
const otherOf = ({ type, participants }: Chat, user: Types.ObjectId): Types.ObjectId | undefined =>
  type === 'group' ? undefined : participants.find((id) => !id.equals(user));

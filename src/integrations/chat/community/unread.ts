import type { Types } from 'mongoose';
import type { Chat, ChatSetting } from '#shared/models/chat.js';
import type { ChatMessage } from '#shared/models/chat-message.js';
import { placeOfTime } from '../../../platform/mongo/keyset.js';
import { isPositioned, type Place } from '../shared/index.js';
import type { ChatLog } from './log.js';
import { settingOf } from './settings.js';

/** Unread messages are counted up to here. */
const UNREAD_MAX = 100;
/** Messages that are looked at together. */
export const UNREAD_PAGE = 100;
/** Messages examined from either end, when a user has sent very many messages since their read position. */
const LOOKED_MAX = 1000;

/** The fields that say whether a message counts. */
const projection = { sender: 1, isDeleted: 1 } as const;

/** Unread messages, and how many were examined for that without further payment or with it. */
interface Unread {
  readonly unread: number;
  readonly examined: number;
}

/** Pays for messages that are examined beyond the first page. @throws GatewayError `RATE_LIMITED` */
type PayForMore = (messages: number) => Promise<void>;

/** How far a participant has read; `undefined`: nothing. */
export function readPlaceOf(setting: ChatSetting | undefined): Place | undefined {
  if (setting?.readPosition != null) return { position: setting.readPosition };
  if (setting?.readUpTo == null) return undefined;
  const { readUpTo, lastReadMessage } = setting;
  const timed = placeOfTime(readUpTo, 'ascending');
  return { position: 0, timed: lastReadMessage == null ? timed : { ...timed, _id: lastReadMessage } };
}

/**
 * Counts the messages of others, not deleted, behind the place up to which a participant has read. It looks on from that
 * place until the number is full, and in a chat with more than it looks at, back from the newest too: so the cost has a bound,
 * and no run of own or deleted messages hides what is unread.
 */
export const createCountUnread =
  (log: ChatLog) =>
  async (chat: Chat, user: Types.ObjectId, payForMore: PayForMore): Promise<Unread> => {
    const parent = chat._id;
    const count = (messages: readonly ChatMessage[]): number =>
      messages.filter(({ sender, isDeleted }) => !user.equals(sender) && isDeleted !== true).length;

    let unread = 0;
    let examined = 0;
    let after = readPlaceOf(settingOf(chat, user));
    for (let looked = 0; looked < LOOKED_MAX; looked += UNREAD_PAGE) {
      if (looked > 0) await payForMore(UNREAD_PAGE);
      const page = await log.read({ parent, after, first: 'oldest', limit: UNREAD_PAGE, projection });
      unread += count(page);
      examined += page.length;
      const last = page.at(-1);
      if (unread >= UNREAD_MAX || last === undefined || page.length < UNREAD_PAGE) {
        return { unread: Math.min(unread, UNREAD_MAX), examined };
      }
      after = log.placeOf(last);
    }
    await payForMore(LOOKED_MAX);
    const newest = await log.read({ parent, after, first: 'newest', limit: LOOKED_MAX, projection });
    return { unread: Math.min(unread + count(newest.filter(isPositioned)), UNREAD_MAX), examined };
  };

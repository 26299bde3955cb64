import type { Types } from 'mongoose';
import type { Chat, ChatSetting } from '#shared/models/chat.js';
import type { ChatMessage } from '#shared/models/chat-message.js';
import { placeOfTime } from '../../../platform/mongo/keyset.js';
import { type Cursor, isPositioned } from '../shared/index.js';
import type { ChatLog } from './log.js';
import { settingOf } from './settings.js';

/** Unread messages are counted up to this number. */
const UNREAD_MAX = 100;
/** Messages examined in one read. */
export const UNREAD_PAGE = 100;
/** Messages examined from either end, when a user has sent very many messages since their read position. */
const LOOKED_MAX = 1000;

/** The fields that determine whether a message counts. */
const projection = { sender: 1, isDeleted: 1 } as const;

/** The number of unread messages, and what it was found from. */
export interface Unread {
  readonly unread: number;
  /** Messages that were examined. */
  readonly examined: number;
  /** The last of them in the order of the chat. */
  readonly last: ChatMessage | undefined;
}

/** Pays for messages that are examined beyond the first page. @throws GatewayError `RATE_LIMITED` */
type PayForMore = (messages: number) => Promise<void>;

/** The read position of a participant; `undefined`: none. */
export function readCursorOf(setting: ChatSetting | undefined): Cursor | undefined {
  if (setting?.readPosition != null) return { position: setting.readPosition };
  if (setting?.readUpTo == null) return undefined;
  const { readUpTo, lastReadMessage } = setting;
  const timed = placeOfTime(readUpTo, 'ascending');
  return { position: 0, timed: lastReadMessage == null ? timed : { ...timed, _id: lastReadMessage } };
}

/**
 * Counts messages of others, not deleted, after a participant's read position. Examines messages from that position until the
 * maximum is reached; if there are too many, also backwards from the newest. So the cost is limited, and a long run of own or
 * deleted messages does not hide unread ones.
 */
export const createCountUnread = (log: ChatLog) =>
  async function countUnreadMessages(chat: Chat, user: Types.ObjectId, payForMore: PayForMore): Promise<Unread> {
    const parent = chat._id;
    const count = (messages: readonly ChatMessage[]): number =>
      messages.filter(({ sender, isDeleted }) => !user.equals(sender) && isDeleted !== true).length;

    let unread = 0;
    let examined = 0;
    let last: ChatMessage | undefined;
    let after = readCursorOf(settingOf(chat, user));
    for (let looked = 0; looked < LOOKED_MAX; looked += UNREAD_PAGE) {
      if (looked > 0) await payForMore(UNREAD_PAGE);
      const page = await log.read({ parent, after, first: 'oldest', limit: UNREAD_PAGE, projection });
      unread += count(page);
      examined += page.length;
      last = page.at(-1) ?? last;
      if (unread >= UNREAD_MAX || last === undefined || page.length < UNREAD_PAGE) {
        return { unread: Math.min(unread, UNREAD_MAX), examined, last };
      }
      after = log.cursorOf(last);
    }
    await payForMore(LOOKED_MAX);
    const newest = await log.read({ parent, after, first: 'newest', limit: LOOKED_MAX, projection });
    return {
      unread: Math.min(unread + count(newest.filter(isPositioned)), UNREAD_MAX),
      examined,
      last: newest[0] ?? last,
    };
  };

import type { ChatMessage } from '#shared/models/chat-message.js';
import type { Principal } from '../../../auth/principal.js';
import type { ChatsAccess } from './access.js';
import type { ChatLog } from './log.js';
import type { RateLimits } from './rate-limits.js';
import { detailsOf, toWireMessage, type WireMessage } from './to-wire.js';
import type { UserSummaries } from './user-summaries.js';

interface Dependencies {
  access: ChatsAccess;
  rateLimits: RateLimits;
  summaries: UserSummaries;
  log: ChatLog;
}

/** One page of a list. */
export interface PageQuery {
  readonly before?: string | undefined;
  readonly limit: number;
}

/** One page of messages, before or after a cursor. */
interface HistoryQuery extends PageQuery {
  readonly chatId: string;
  readonly after?: string | undefined;
}

/** Reads pages of messages: the newest, or those before or after a message or time. A page is oldest first. */
export function createHistory({ access, rateLimits, summaries, log }: Dependencies) {
  return async function readHistory(
    principal: Principal,
    { chatId, before, after, limit }: HistoryQuery,
  ): Promise<WireMessage[]> {
    await rateLimits.pay(principal, { rows: limit });
    const { _id: parent } = (await access.open(principal, chatId)).chat;
    await log.backfill(parent);
    const [lower, upper] = await Promise.all([
      log.cursorFor(parent, after, 'after'),
      log.cursorFor(parent, before, 'before'),
    ]);
    // A caller with a cursor wants the next messages, not the newest.
    const first = lower === undefined ? 'newest' : 'oldest';
    const messages = await log.read({ parent, after: lower, before: upper, first, limit });
    await rateLimits.pay(principal, { details: sumOf(messages, detailsOf), text: sumOf(messages, charactersOf) });
    if (first === 'newest') messages.reverse();
    const people = await summaries.read(messages.map(({ sender }) => sender));
    return messages.map((message) => toWireMessage(message, people.get(String(message.sender))));
  };
}

const charactersOf = ({ content }: Partial<ChatMessage>): number => content?.length ?? 0;

const sumOf = <T>(items: readonly T[], amountOf: (item: T) => number): number =>
  items.reduce((sum, item) => sum + amountOf(item), 0);

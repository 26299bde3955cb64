import type { Pools } from './samples.js';
import type { Circle } from './world.js';

/** Event names that a backend can choose. */
const EVENTS = ['news', 'notification', 'update', 'message', 'conversation'];

/** Idempotency keys and other ids chosen by callers: few, so that they repeat. */
const OWN_KEYS = ['one', 'two', 'three', 'four'];

/**
 * Values for fields: usually the caller's own, sometimes those of others.
 * @param foreign circles that the caller must neither read nor change. Their departments are excluded: any user can open a
 *   support conversation with a department.
 */
export function poolsOf(own: Circle, foreign: readonly Circle[]): Pools {
  const most = (of: (circle: Circle) => readonly string[]): string[] => {
    const mine = of(own);
    // At least three in four are the caller's own.
    const others = foreign.flatMap(of);
    return [...mine, ...mine, ...mine, ...others.slice(0, Math.max(1, mine.length))];
  };
  const users = most((circle) => circle.users);
  const conversations = most((circle) => [...circle.team, ...circle.prospects]);
  const support = most((circle) => [...circle.support, circle.visited]);
  const chats = most((circle) => circle.chats);
  const messages = most((circle) => [...circle.messages, ...circle.communications]);
  const chatMessages = most((circle) => [...circle.supportMessages, ...circle.chatMessages]);
  return {
    conversation_id: conversations,
    convoID: conversations,
    message_id: messages,
    messageID: messages,
    before: [...messages, ...chatMessages],
    after: chatMessages,
    contact_id: most((circle) => [circle.contact]),
    conversationId: support,
    id: support,
    chatId: chats,
    messageId: chatMessages,
    replyToId: chatMessages,
    notificationId: most((circle) => circle.notifications),
    departmentId: [own.department],
    users,
    mentions: users,
    participants: users,
    userIds: users,
    agentId: users,
    participantId: users,
    visitorId: most((circle) => [circle.visitor]),
    channel_id: ['general', 'sales', 'you', 'mentions', 'prospect'],
    UUID: OWN_KEYS,
    clientMessageId: OWN_KEYS,
    scraper_id: SCRAPERS,
    event: EVENTS,
  };
}

/** Ids of scraper runs. */
export const SCRAPERS = ['scraper-0123456789', 'scraper-abcdefghij'];

import type { Pools } from './samples.js';
import type { Circle } from './world.js';

/** Names that a backend may choose for what it sends. */
const EVENTS = ['news', 'notification', 'update', 'message', 'conversation'];

/** Ids of keys that callers choose: few, so that they are repeated. */
const OWN_KEYS = ['one', 'two', 'three', 'four'];

/**
 * What fields are filled with: mostly what the caller has, sometimes what others have.
 * @param foreign circles that the caller must neither hear nor change. Their departments are not among them: any user who asks
 *   a department is heard there.
 */
export function poolsOf(own: Circle, foreign: readonly Circle[]): Pools {
  const most = (of: (circle: Circle) => readonly string[]): string[] => {
    const mine = of(own);
    // Four in five are the caller's own.
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
    ...{ conversation_id: conversations, convoID: conversations, message_id: messages, messageID: messages },
    ...{ before: [...messages, ...chatMessages], after: chatMessages, contact_id: most((circle) => [circle.contact]) },
    ...{ conversationId: support, id: support, chatId: chats, messageId: chatMessages, replyToId: chatMessages },
    ...{ notificationId: most((circle) => circle.notifications), departmentId: [own.department] },
    ...{ users, mentions: users, participants: users, userIds: users, agentId: users, participantId: users },
    ...{
      visitorId: most((circle) => [circle.visitor]),
      channel_id: ['general', 'sales', 'you', 'mentions', 'prospect'],
    },
    ...{ UUID: OWN_KEYS, clientMessageId: OWN_KEYS, scraper_id: SCRAPERS, event: EVENTS },
  };
}

/** Runs of scrapers that the fuzzer knows. */
export const SCRAPERS = ['scraper-0123456789', 'scraper-abcdefghij'];

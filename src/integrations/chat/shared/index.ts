import { chatNamespace, chatNamespaces } from '#shared/contracts/namespaces.js';
import { session } from '#shared/contracts/session.js';
import type { Context } from '../../../framework/context.js';
import { mountEvents } from '../../../framework/events.js';
import type { Integration } from '../../../framework/integration.js';
import { rooms } from '../../../realtime/rooms.js';
import { sessionHandlers } from '../../users/index.js';
import { createAccessWatch } from './access-watch.js';
import { createChatPresence } from './presence.js';
import { commonReplyFormat, toRefusal } from './reply-format.js';
import type { ChatServices } from './services.js';

export {
  accountOf,
  type BlockedUser,
  type Blocks,
  blockedAmong,
  isBlockBetween,
  isSameAccount,
  NO_USERS,
  nameOf,
  type People,
} from '../../users/index.js';
export type { Authentication, Caller, UserCaller } from './authentication.js';
export { blockedUser, ChatError, wordsOf } from './chat-error.js';
export type { Callers, Question, ReadCaller } from './circles.js';
export { groupByUser } from './group-by-user.js';
export {
  type Cursor,
  createMessageLog,
  createStoreMessage,
  isPositioned,
  type MessageLog,
  type SendingRules,
  type StoredMessage,
} from './messages/index.js';
export { createNewestByUser } from './newest-by-user.js';
export { createRememberedConversations } from './remembered-conversations.js';
export { chatReplyFormat, toRefusal, toRequestFailure } from './reply-format.js';
export { type ChatServices, createChatServices } from './services.js';
export { createShownTyping, type ShownTyping } from './shown-typing.js';
export type { Snapshots } from './snapshots.js';
export { createTyping, type Typing } from './typing.js';

/**
 * The namespace `/` of both chats: authentication, access checks and presence.
 * @param chats the integrations that list the contacts of a user
 */
export function createChats(context: Context, services: ChatServices, chats: readonly Integration[]): Integration {
  const { people, authentication } = services;
  const presence = createChatPresence(context, services, chats);
  const watch = createAccessWatch(context, people);
  return {
    name: 'chats',
    namespaces: [
      {
        name: chatNamespace,
        scopes: [],
        authenticate: authentication.authenticate,
        async roomsOf(principal) {
          if (principal.kind === 'visitor') return [rooms.visitor(principal.visitorId)];
          const caller = await authentication.enteringAs(principal);
          return caller.groups.map(rooms.group);
        },
        toRefusal,
      },
    ],
    mounts: [mountEvents(session, sessionHandlers, { namespaces: chatNamespaces, replyFormat: commonReplyFormat })],
    listeners: watch.listeners,
    onSocketsPresent: presence.present,
    onUsersOnline: presence.online,
    onUsersOffline: presence.offline,
    start() {
      const end = watch.start();
      return async () => {
        await presence.flush();
        await end();
      };
    },
  };
}

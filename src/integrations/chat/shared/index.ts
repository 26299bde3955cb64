import { chatNamespace, chatNamespaces } from '#shared/contracts/namespaces.js';
import { session } from '#shared/contracts/session.js';
import type { Context } from '../../../framework/context.js';
import { type Integration, mountEvents } from '../../../framework/integration.js';
import { rooms } from '../../../realtime/rooms.js';
import { type Blocks, type People, sessionHandlers, type UserServices } from '../../users/index.js';
import { type Authentication, createAuthentication } from './authentication.js';
import { createChatPresence } from './presence.js';
import { commonReplyFormat, toRefusal } from './reply-format.js';
import { createWatch } from './watch.js';

export { accountOf, type Blocks, isBlockBetween, isSameAccount, nameOf, type People } from '../../users/index.js';
export type { Authentication, Caller, UserCaller } from './authentication.js';
export { blockedUser, ChatError, wordsOf } from './chat-error.js';
export { createMessageLog, isPositioned, type MessageLog, type Place } from './messages/index.js';
export { chatReplyFormat, toRefusal, toRequestFailure } from './reply-format.js';
export { createTyping, type Typing } from './typing.js';

/** The services that both chats share. */
export interface ChatServices {
  readonly people: People;
  readonly authentication: Authentication;
  readonly blocks: Blocks;
}

export function createChatServices(context: Context, { people, blocks }: UserServices): ChatServices {
  return { people, blocks, authentication: createAuthentication({ ...context, people }) };
}

/**
 * The namespace `/` of both chats: authentication, access checks and presence.
 * @param chats the integrations that list the contacts of a user
 */
export function createChats(
  context: Context,
  { people, authentication, blocks }: ChatServices,
  chats: readonly Integration[],
): Integration {
  const presence = createChatPresence(context, blocks, chats);
  const watch = createWatch(context, people);
  return {
    name: 'chats',
    namespaces: [
      {
        name: chatNamespace,
        scopes: [],
        authenticate: authentication.authenticate,
        async roomsOf(principal) {
          if (principal.kind === 'visitor') return [rooms.visitor(principal.visitorId)];
          const caller = await authentication.userOf(principal);
          return caller.groups.map(rooms.group);
        },
        toRefusal,
      },
    ],
    mounts: [mountEvents(session, sessionHandlers, { namespaces: chatNamespaces, replyFormat: commonReplyFormat })],
    listener: watch.listener,
    onSocketPresent: presence.present,
    onUserOffline: ({ userId }) => presence.offline(userId),
    start() {
      const end = watch.start();
      return async () => {
        await presence.flush();
        await end();
      };
    },
  };
}

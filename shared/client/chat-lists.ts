/** Live lists of support conversations and community chats. */
import type { z } from 'zod';
import type { chat } from '../contracts/community-parts.js';
import type { supportConversation } from '../contracts/support-parts.js';
import { type ChatClient, endAll, withoutContent } from './chats.js';
import { type CommunityRest, deleted, readRest, readUpTo } from './community.js';
import { createList, descending, type LiveList, PAGE, placed } from './list.js';
import { changed } from './live-view.js';
import type { ApplicationEvents } from './types.js';

/** Conversations as the gateway sends them. */
export type SupportConversation = z.output<typeof supportConversation>;

/** The same for the community. */
export type CommunityChat = z.output<typeof chat>;

const later = (one: string, other: string): string => (one > other ? one : other);

/** The newer of two messages. The server sends a message before it stores it as the last one of its conversation. */
const newer =
  <K extends string>(time: K) =>
  <M extends { readonly [Key in K]: string }>(shown: M | null, read: M | null): M | null =>
    shown !== null && (read === null || shown[time] > read[time]) ? shown : read;
const newerSupport = newer('timestamp');
const newerCommunity = newer('createdAt');

const bySupport = (one: SupportConversation, other: SupportConversation): number =>
  descending(one.updatedAt, other.updatedAt) || descending(one._id, other._id);

/** What is shown of a conversation, when it was read or came whole. */
const keepSupport = (shown: SupportConversation, read: SupportConversation): SupportConversation => ({
  ...read,
  lastMessage: newerSupport(shown.lastMessage, read.lastMessage),
  updatedAt: later(shown.updatedAt, read.updatedAt),
});

/** The support conversations of the user, the last changed first. */
export const supportList = <A extends ApplicationEvents>(client: ChatClient<A>): LiveList<SupportConversation> =>
  createList<SupportConversation>({
    client,
    compare: bySupport,
    keep: keepSupport,
    async read(shown) {
      const before = shown.at(-1)?._id;
      const range = { limit: PAGE, ...(before !== undefined && { before }) };
      const { conversations, hasMore } = await client.emit('get_conversations', range);
      return { items: conversations, hasMore };
    },
    listen({ apply, check, isShown }) {
      const ofLast = (id: string, messageId: string, change: (last: SupportMessage) => SupportMessage): void =>
        apply(
          changed(id, (one) =>
            one.lastMessage?._id === messageId ? { ...one, lastMessage: change(one.lastMessage) } : one,
          ),
        );
      const take = (conversation: SupportConversation): void =>
        apply(
          placed(conversation, bySupport, (shown) =>
            keepSupport(shown, conversation.updatedAt < shown.updatedAt ? shown : conversation),
          ),
        );
      /** Only of those that are shown is it known that they are the user's. */
      const update = ({ conversation }: { conversation: SupportConversation }): void => {
        if (isShown(conversation._id)) take(conversation);
        check();
      };
      return endAll([
        client.on('new_conversation', take),
        client.on('conversation_assigned', update),
        client.on('conversation_closed', update),
        client.on('new_message', (message) => {
          const { conversationId: id, timestamp } = message;
          if (!isShown(id)) return check();
          apply(changed(id, (one) => keepSupport({ ...one, lastMessage: message, updatedAt: timestamp }, one)));
        }),
        client.on('message_edited', (message) => ofLast(message.conversationId, message._id, () => message)),
        client.on('message_deleted', ({ conversationId, messageId }) =>
          ofLast(conversationId, messageId, withoutContent),
        ),
      ]);
    },
  });

type SupportMessage = NonNullable<SupportConversation['lastMessage']>;
type CommunityMessage = NonNullable<CommunityChat['lastMessage']>;

const keepCommunity = (shown: CommunityChat, read: CommunityChat): CommunityChat => ({
  ...read,
  lastMessage: newerCommunity(shown.lastMessage, read.lastMessage),
  lastActivity: later(shown.lastActivity, read.lastActivity),
});

/** The community chats of the user, the last active first. Unread messages are counted by the server: a moment later. */
export const communityList = <A extends ApplicationEvents>(
  client: ChatClient<A>,
  rest: CommunityRest,
): LiveList<CommunityChat> =>
  createList<CommunityChat>({
    client,
    compare: (one, other) => descending(one.lastActivity, other.lastActivity) || descending(one._id, other._id),
    keep: keepCommunity,
    async read(shown) {
      const items = await readRest<CommunityChat>(rest, '/api/chats', { before: shown.at(-1)?._id, limit: PAGE });
      return { items, hasMore: items.length === PAGE };
    },
    listen({ apply, check }) {
      const ofLast = (id: string, messageId: string, change: (last: CommunityMessage) => CommunityMessage): void =>
        apply(
          changed(id, (one) =>
            one.lastMessage?._id === messageId ? { ...one, lastMessage: change(one.lastMessage) } : one,
          ),
        );
      const pinned = (id: string, messageId: string, isPinned: boolean): void =>
        apply(
          changed(id, (one) => {
            const others = one.pinnedMessages.filter((pin) => pin !== messageId);
            if (isPinned && others.length < one.pinnedMessages.length) return one;
            return { ...one, pinnedMessages: isPinned ? [...others, messageId] : others };
          }),
        );
      return endAll([
        client.on('chat:new_message', ({ chatId, message }) => {
          apply(
            changed(chatId, (one) =>
              keepCommunity({ ...one, lastMessage: message, lastActivity: message.createdAt }, one),
            ),
          );
          check();
        }),
        client.on('chat:message_edited', ({ chatId, message }) =>
          ofLast(chatId, message._id, ({ readBy }) => ({ ...message, readBy })),
        ),
        client.on('chat:message_deleted', ({ chatId, messageId }) => {
          ofLast(chatId, messageId, deleted);
          pinned(chatId, messageId, false);
          check();
        }),
        client.on('chat:message_reaction', ({ chatId, messageId, reactions }) =>
          ofLast(chatId, messageId, (last) => ({ ...last, reactions })),
        ),
        client.on('chat:message_read', ({ chatId, ...read }) =>
          ofLast(chatId, read.messageId, (last) => readUpTo(read)([last])[0] ?? last),
        ),
        client.on('chat:message_pinned', ({ chatId, messageId }) => pinned(chatId, messageId, true)),
        client.on('chat:message_unpinned', ({ chatId, messageId }) => pinned(chatId, messageId, false)),
        client.on('chat:read', ({ chatId, ...read }) => {
          ofLast(chatId, read.messageId, (last) => readUpTo(read)([last])[0] ?? last);
          check();
        }),
      ]);
    },
  });

import type { CommunityChat, CommunityMessage } from '#shared/client/index.js';
import type { TestClient } from '../../support/client.js';
import type { TestEnvironment } from '../../support/environment.js';
import { readBy, readRest } from './ask.js';
import { changed, createFold, type Fold, UnknownError, withEntry } from './fold.js';

/** What a client shows of the community chat. */
export interface CommunityState {
  chats: CommunityChat[];
  /** By chat, as stored. */
  messages: Map<string, CommunityMessage[]>;
  /** How far others have read, by chat and user. */
  reads: Map<string, string>;
  typing: Set<string>;
  /** Unread notifications. */
  unread: number;
  /** The chosen status of users who were online when they were asked for, or have changed it since. */
  statuses: Map<string, string>;
}

const MESSAGES = 100;

const changeMessage = (
  state: CommunityState,
  chatId: string,
  messageId: string,
  change: (message: CommunityMessage) => CommunityMessage,
): void => void state.messages.set(chatId, changed(state.messages.get(chatId) ?? [], messageId, change));

const pin = (state: CommunityState, chatId: string, messageId: string, isPinned: boolean): void => {
  state.chats = changed(state.chats, chatId, (one) => {
    const others = one.pinnedMessages.filter((id) => id !== messageId);
    return { ...one, pinnedMessages: isPinned ? [...others, messageId] : others };
  });
};

type Place = { chatId: string; userId: string };
type AboutMessage = { chatId: string; messageId: string };

const handlers = {
  'chat:new_message'(state: CommunityState, { chatId, message }: { chatId: string; message: CommunityMessage }): void {
    if (state.chats.every(({ _id }) => _id !== chatId)) throw new UnknownError();
    state.messages.set(chatId, withEntry(state.messages.get(chatId) ?? [], message));
  },
  'chat:message_edited': (state: CommunityState, { chatId, message }: { chatId: string; message: CommunityMessage }) =>
    changeMessage(state, chatId, message._id, () => message),
  'chat:message_deleted'(state: CommunityState, { chatId, messageId }: AboutMessage): void {
    const gone = { isDeleted: true, content: '', reactions: [] };
    changeMessage(state, chatId, messageId, (message) => ({ ...message, ...gone }));
    pin(state, chatId, messageId, false);
  },
  'chat:message_reaction': (
    state: CommunityState,
    { chatId, messageId, reactions }: AboutMessage & Pick<CommunityMessage, 'reactions'>,
  ) => changeMessage(state, chatId, messageId, (message) => ({ ...message, reactions })),
  'chat:message_pinned': (state: CommunityState, { chatId, messageId }: AboutMessage) =>
    pin(state, chatId, messageId, true),
  'chat:message_unpinned': (state: CommunityState, { chatId, messageId }: AboutMessage) =>
    pin(state, chatId, messageId, false),
  'chat:message_read': (state: CommunityState, { chatId, messageId, userId }: AboutMessage & Place) =>
    void state.reads.set(`${chatId} ${userId}`, messageId),
  'chat:user_typing': (state: CommunityState, { chatId, userId }: Place) =>
    void state.typing.add(`${chatId} ${userId}`),
  'chat:user_stopped_typing': (state: CommunityState, { chatId, userId }: Place) =>
    void state.typing.delete(`${chatId} ${userId}`),
  'notification:unread_count'(state: CommunityState, { count }: { count: number }): void {
    state.unread = count;
  },
  'presence:status_changed': (state: CommunityState, { userId, status }: { userId: string; status: string }) =>
    void state.statuses.set(userId, status),
};

/** Follows the chats of a user. */
export const followCommunity = (
  environment: TestEnvironment,
  client: TestClient,
  reader: { user: { readonly id: string }; node: number },
): Fold<CommunityState> =>
  createFold<CommunityState>(client, handlers, async () => {
    const chats: CommunityChat[] = await readRest(environment, reader, '/api/chats?limit=50');
    const { count } = await readBy(client, 'notification:get_unread_count', {});
    const state: CommunityState = {
      chats,
      messages: new Map(),
      reads: new Map(),
      typing: new Set(),
      unread: count,
      statuses: new Map(),
    };
    for (const { _id: chatId, participants } of chats) {
      const messages = (await readRest(environment, reader, `/api/chats/${chatId}/messages?limit=${MESSAGES}`)) ?? [];
      state.messages.set(chatId, messages);
      for (const user of participants) {
        const read = messages.findLast(({ readBy: by }: CommunityMessage) => by.some((one) => one.user === user));
        if (read !== undefined && user !== reader.user.id) state.reads.set(`${chatId} ${user}`, read._id);
      }
      const online = await readBy(client, 'presence:get_online', { chatId });
      for (const { userId, status } of online?.users ?? [])
        if (status !== 'offline') state.statuses.set(userId, status);
    }
    return state;
  });

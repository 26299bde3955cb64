import type { SupportConversation, SupportMessage } from '#shared/client/index.js';
import type { TestClient } from '../../support/client.js';
import { readBy } from './ask.js';
import { changed, createFold, type Fold, UnknownError, withEntry } from './fold.js';

/** What a client shows of the support chat. */
export interface SupportState {
  readonly userId: string;
  conversations: SupportConversation[];
  /** By conversation, as stored. */
  messages: Map<string, SupportMessage[]>;
  /** How far users have read, by conversation and user. */
  reads: Map<string, string>;
  typing: Set<string>;
}

const MESSAGES = 100;

const later = (one: string, other: string): string => (one > other ? one : other);

const place = (state: SupportState, conversation: SupportConversation): void => {
  const shown = state.conversations.find(({ _id }) => _id === conversation._id);
  const updatedAt = later(shown?.updatedAt ?? '', conversation.updatedAt);
  state.conversations = withEntry(state.conversations, { ...conversation, updatedAt });
};

const isOwn = ({ userId }: SupportState, { participants, assignedTo }: SupportConversation): boolean =>
  participants.includes(userId) || assignedTo === userId;

const update = (state: SupportState, { conversation }: { conversation: SupportConversation }): void => {
  const isShown = state.conversations.some(({ _id }) => _id === conversation._id);
  if (!isOwn(state, conversation)) {
    state.conversations = state.conversations.filter(({ _id }) => _id !== conversation._id);
  } else if (isShown) place(state, conversation);
  else throw new UnknownError();
};

const changeMessage = (
  state: SupportState,
  id: string,
  messageId: string,
  change: (message: SupportMessage) => SupportMessage,
): void => void state.messages.set(id, changed(state.messages.get(id) ?? [], messageId, change));

type Place = { conversationId: string; userId: string };

const handlers = {
  new_conversation(state: SupportState, conversation: SupportConversation): void {
    if (isOwn(state, conversation)) place(state, conversation);
  },
  conversation_assigned: update,
  conversation_closed: update,
  new_message(state: SupportState, message: SupportMessage): void {
    const { conversationId: id, timestamp } = message;
    state.messages.set(id, withEntry(state.messages.get(id) ?? [], message));
    state.conversations = changed(state.conversations, id, (one) => ({
      ...one,
      updatedAt: later(one.updatedAt, timestamp),
    }));
  },
  message_edited: (state: SupportState, message: SupportMessage) =>
    changeMessage(state, message.conversationId, message._id, () => message),
  message_deleted: (
    state: SupportState,
    { conversationId, messageId }: { conversationId: string; messageId: string },
  ) =>
    changeMessage(state, conversationId, messageId, (message) => ({
      ...message,
      isDeleted: true,
      content: '',
      metadata: null,
      file: null,
    })),
  message_read(state: SupportState, read: { conversationId: string; readBy: string; messageId: string }): void {
    state.reads.set(`${read.conversationId} ${read.readBy}`, read.messageId);
  },
  user_typing: (state: SupportState, { conversationId, userId }: Place) =>
    void state.typing.add(`${conversationId} ${userId}`),
  user_stopped_typing: (state: SupportState, { conversationId, userId }: Place) =>
    void state.typing.delete(`${conversationId} ${userId}`),
};

/** Follows the support conversations of a user. */
export const followSupport = (client: TestClient, userId: string): Fold<SupportState> =>
  createFold<SupportState>(client, handlers, async () => {
    const { conversations } = await readBy(client, 'get_conversations', { limit: 100 });
    const state: SupportState = { userId, conversations, messages: new Map(), reads: new Map(), typing: new Set() };
    for (const { _id: conversationId } of state.conversations) {
      const page = await readBy(client, 'get_messages', { conversationId, limit: MESSAGES });
      state.messages.set(conversationId, page?.messages ?? []);
      for (const { readBy: reader, messageId } of page?.reads ?? [])
        state.reads.set(`${conversationId} ${reader}`, messageId);
    }
    return state;
  });

import type { TeamConversation, TeamMessage } from '#shared/client/index.js';
import type { TestClient } from '../../support/client.js';
import { readBy } from './ask.js';
import { changed, createFold, type Fold, UnknownError, withEntry } from './fold.js';

type Numbers = Readonly<Record<string, number>>;

/** What a client shows of the conversations of a team. */
export interface TeamState {
  readonly userId: string;
  conversations: TeamConversation[];
  /** By conversation, in the order of their times. */
  messages: Map<string, TeamMessage[]>;
  /** By channel. */
  counters: Map<string, { readonly version: number; readonly counters: Numbers }>;
  /** Who is active, of those in the conversations; as heard since the client connected, otherwise as they came. */
  statuses: Map<string, string>;
  readonly heard: Map<string, string>;
  /** How far others have read since the client connected, by conversation and user. */
  reads: Map<string, string | null>;
}

const MESSAGES = 100;

const lists = [
  ['list_conversation', {}],
  ['conversation_filter', { status: 'snoozed' }],
  ['conversation_filter', { status: 'archived' }],
] as const;

/** A conversation as it is, and who of it is active. */
const place = (state: TeamState, conversation: TeamConversation): void => {
  state.conversations = withEntry(state.conversations, conversation);
  for (const { _id, conversation_active_status } of conversation.users)
    state.statuses.set(_id, state.heard.get(_id) ?? conversation_active_status);
};

const atOf = ({ last_activity, createdAt }: TeamConversation): string => last_activity?.createdAt ?? createdAt;

/** A message, and what it changes of its conversation. */
export function take(state: TeamState, message: TeamMessage): void {
  const { conversation_id: id, mentions } = message;
  // The user was added, and is told of it later.
  if (state.conversations.every(({ _id }) => _id !== id)) throw new UnknownError();
  const known = withEntry(state.messages.get(id) ?? [], message);
  state.messages.set(
    id,
    known.sort((one, other) => one.createdAt.localeCompare(other.createdAt)),
  );
  state.conversations = state.conversations.map((one) =>
    one._id !== id || atOf(one) >= message.createdAt
      ? one
      : { ...one, last_activity: message, unread_count: one.unread_count + (message.is_sender ? 0 : 1) },
  );
  if (mentions.includes(state.userId)) {
    state.conversations = changed(state.conversations, id, (one) => ({ ...one, mentioned: true }));
  }
}

/** The status of a user. */
export function hear(state: TeamState, userId: string, status: string): void {
  state.heard.set(userId, status);
  state.statuses.set(userId, status);
}

const handlers = {
  add_conversation(state: TeamState, conversation: TeamConversation): void {
    place(state, conversation);
    // An old one, to which the user was added.
    if (conversation.last_activity !== null && !state.messages.has(conversation._id)) throw new UnknownError();
  },
  update_conversation(
    state: TeamState,
    { data: { conversation } }: { data: { conversation: TeamConversation } },
  ): void {
    // As with a message.
    if (state.conversations.every(({ _id }) => _id !== conversation._id)) throw new UnknownError();
    place(state, conversation);
  },
  message: take,
  counters(state: TeamState, event: { channel_id: string; version: number; counters: Numbers }): void {
    const { channel_id, version, counters } = event;
    if (version < (state.counters.get(channel_id)?.version ?? 0)) return;
    state.counters.set(channel_id, { version, counters });
  },
  active_status: (state: TeamState, event: { userID: string; conversation_active_status: string }) =>
    hear(state, event.userID, event.conversation_active_status),
  read(state: TeamState, event: { conversation_id: string; userID: string; message_id: string | null }): void {
    state.reads.set(`${event.conversation_id} ${event.userID}`, event.message_id);
  },
};

/** Follows the conversations of a user. */
export function followTeam(client: TestClient, userId: string): Fold<TeamState> {
  const heard = new Map<string, string>();
  return createFold<TeamState>(client, handlers, async () => {
    const state: TeamState = {
      userId,
      conversations: [],
      messages: new Map(),
      counters: new Map(),
      statuses: new Map(),
      heard,
      reads: new Map(),
    };
    for (const [event, filter] of lists) {
      const { conversation } = await readBy(client, event, { ...filter, limit: 100 });
      for (const one of conversation) place(state, one);
    }
    for (const { _id } of state.conversations) {
      const page = await readBy(client, 'list_message', { conversation_id: _id, limit: MESSAGES });
      state.messages.set(_id, page?.messageList.reverse() ?? []);
    }
    const { channels } = await readBy(client, 'channel', {});
    for (const [channel, counters] of Object.entries<Numbers>(channels)) {
      state.counters.set(channel, { version: 0, counters });
    }
    return state;
  });
}

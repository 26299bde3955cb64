/** Timelines of team and support conversations. */
import type { z } from 'zod';
import type { prospectMessage, teamMessage } from '../contracts/conversation-parts.js';
import type { supportMessage } from '../contracts/support-parts.js';
import type { GatewayClient } from './gateway-client.js';
import { type Change, changed } from './live-view.js';
import { added, createTimeline, type Page, type Timeline, type TimelineSource } from './timeline.js';
import type { ApplicationEvents } from './types.js';

/** Messages as the gateway sends them. */
export type TeamMessage = z.output<typeof teamMessage>;

/** Messages and notes about a contact. */
export type ProspectMessage = z.output<typeof prospectMessage>;

/** Messages of the support chat. */
export type SupportMessage = z.output<typeof supportMessage>;

/** A client of the namespace of conversations, for a team. */
export type TeamClient<A extends ApplicationEvents> = GatewayClient<'/v1/conversation', A>;

/** A client of the namespace of both chats. */
export type ChatClient<A extends ApplicationEvents> = GatewayClient<'/', A>;

/** A timeline to which the messages are added that this client sends: the gateway sends them to the others only. */
export interface TeamTimeline<M> extends Timeline<M> {
  /** @param message of the answer to the event that sent it */
  add(message: M): void;
}

/** The messages of a team conversation. */
export const teamTimeline = <A extends ApplicationEvents>(
  client: TeamClient<A>,
  conversationId: string,
): TeamTimeline<TeamMessage> =>
  toTeamTimeline({
    client,
    read: async (range) => toPage(await client.emit('list_message', { conversation_id: conversationId, ...range })),
    listen: (take) => client.on('message', (message) => message.conversation_id === conversationId && take(message)),
  });

/** The messages and notes of a conversation about a contact. */
export const prospectTimeline = <A extends ApplicationEvents>(
  client: TeamClient<A>,
  conversationId: string,
): TeamTimeline<ProspectMessage> =>
  toTeamTimeline({
    client,
    read: async (range) =>
      toPage(await client.emit('prospect_list_message', { conversation_id: conversationId, ...range })),
    listen: (take) =>
      client.on('prospect_message', (message) => message.conversation_id === conversationId && take(message)),
  });

/** Lists of teams come newest first. */
const toPage = <M>({ messageList, paging }: { messageList: M[]; paging: { has_next: boolean } }): Page<M> => ({
  items: [...messageList].reverse(),
  hasMore: paging.has_next,
});

interface TeamSource<M> {
  readonly client: TimelineSource<M>['client'];
  read(range: { before?: string; limit: number }): Promise<Page<M>>;
  listen(take: (message: M) => unknown): () => void;
}

/** Messages of a team are in the order of their times, which their events need not be. */
function toTeamTimeline<M extends { readonly _id: string; readonly createdAt: string }>(
  source: TeamSource<M>,
): TeamTimeline<M> {
  let apply: (change: Change<M>) => void = () => undefined;
  const inOrder =
    (message: M): Change<M> =>
    (messages) =>
      [...added(message)(messages)].sort(
        (one, other) => compare(one.createdAt, other.createdAt) || compare(one._id, other._id),
      );
  const take = (message: M): void => apply(inOrder(message));
  const timeline = createTimeline<M>({
    client: source.client,
    read: ({ before, limit }) => source.read({ limit, ...(before !== undefined && { before }) }),
    listen(live) {
      apply = live.apply;
      return source.listen(take);
    },
  });
  return Object.assign(timeline, { add: take });
}

const compare = (one: string, other: string): number => (one < other ? -1 : one > other ? 1 : 0);

/** The messages of a support conversation. */
export const supportTimeline = <A extends ApplicationEvents>(
  client: ChatClient<A>,
  conversationId: string,
): Timeline<SupportMessage> =>
  createTimeline<SupportMessage>({
    client,
    enter: () => client.emit('join_conversation', { conversationId }),
    async read({ before, limit }) {
      const range = { limit, ...(before !== undefined && { before }) };
      const { messages, hasMore } = await client.emit('get_messages', { conversationId, ...range });
      return { items: messages, hasMore };
    },
    listen({ apply }) {
      return endAll([
        client.on('new_message', (message) => message.conversationId === conversationId && apply(added(message))),
        client.on('message_edited', (message) => apply(changed(message._id, () => message))),
        client.on('message_deleted', ({ messageId }) => apply(changed(messageId, withoutContent))),
      ]);
    },
  });

/** What is left of a deleted message of the support chat. */
export const withoutContent = (message: SupportMessage): SupportMessage => ({
  ...message,
  isDeleted: true,
  content: '',
  metadata: null,
  file: null,
});

/** @returns ends all of them */
export const endAll = (ends: readonly (() => void)[]) => (): void => {
  for (const end of ends) end();
};

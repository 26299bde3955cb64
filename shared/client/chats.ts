/** Timelines of the three kinds of conversations, and walking of lists. */
import type { z } from 'zod';
import type { chatMessage } from '../contracts/community-parts.js';
import type { prospectMessage, teamMessage } from '../contracts/conversation-parts.js';
import type { supportMessage } from '../contracts/support-parts.js';
import type { GatewayClient } from './client.js';
import { GatewayClientError, toClientError } from './error.js';
import {
  added,
  type Change,
  changed,
  createTimeline,
  type Page,
  type Timeline,
  type TimelineSource,
} from './timeline.js';
import type { ApplicationEvents } from './types.js';

/** Messages as the gateway sends them. */
export type TeamMessage = z.output<typeof teamMessage>;
export type ProspectMessage = z.output<typeof prospectMessage>;
export type SupportMessage = z.output<typeof supportMessage>;
export type CommunityMessage = z.output<typeof chatMessage>;

type TeamClient<A extends ApplicationEvents> = GatewayClient<'/v1/conversation', A>;
type ChatClient<A extends ApplicationEvents> = GatewayClient<'/', A>;

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
    listen(change) {
      apply = change;
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
    listen(apply) {
      const ends = [
        client.on('new_message', (message) => message.conversationId === conversationId && apply(added(message))),
        client.on('message_edited', (message) => apply(changed(message._id, () => message))),
        client.on('message_deleted', ({ messageId }) =>
          apply(changed(messageId, (message) => ({ ...message, ...NOTHING_SAID }))),
        ),
      ];
      return () => {
        for (const end of ends) end();
      };
    },
  });

/** What is left of a deleted message. */
const NOTHING_SAID = { isDeleted: true, content: '', metadata: null, file: null } as const;

/** Where the pages of a community chat are read. */
export interface CommunityRest {
  readonly url: string;
  readonly token: () => Promise<string>;
  readonly fetch?: (
    url: string,
    init: { headers: Record<string, string> },
  ) => Promise<{ readonly status: number; json(): Promise<unknown> }>;
}

/** The messages of a community chat. Its pages come over REST. `readBy` is as it was when the page was read. */
export const communityTimeline = <A extends ApplicationEvents>(
  client: ChatClient<A>,
  chatId: string,
  rest: CommunityRest,
): Timeline<CommunityMessage> =>
  createTimeline<CommunityMessage>({
    client,
    enter: () => client.emit('chat:join', { chatId }),
    read: ({ before, limit }) => readChat(rest, chatId, { before, limit }),
    listen(apply) {
      const ends = [
        client.on('chat:new_message', ({ chatId: id, message }) => id === chatId && apply(added(message))),
        client.on('chat:message_edited', ({ message }) =>
          apply(changed(message._id, ({ readBy }) => ({ ...message, readBy }))),
        ),
        client.on('chat:message_deleted', ({ messageId }) =>
          apply(changed(messageId, (message) => ({ ...message, isDeleted: true, content: '' }))),
        ),
        client.on('chat:message_reaction', ({ messageId, reactions }) =>
          apply(changed(messageId, (message) => ({ ...message, reactions }))),
        ),
      ];
      return () => {
        for (const end of ends) end();
      };
    },
  });

async function readChat(
  { url, token, fetch: send = fetch }: CommunityRest,
  chatId: string,
  { before, limit }: { before: string | undefined; limit: number },
): Promise<Page<CommunityMessage>> {
  const query = new URLSearchParams({ limit: String(limit), ...(before !== undefined && { before }) });
  const headers = { authorization: `Bearer ${await token()}` };
  const response = await send(`${url}/api/chats/${encodeURIComponent(chatId)}/messages?${query}`, { headers }).catch(
    (cause: unknown) => {
      throw new GatewayClientError('UNREACHABLE', 'the gateway was not reached', { cause });
    },
  );
  const answer = (await response.json().catch(() => undefined)) as { success?: boolean; data?: CommunityMessage[] };
  if (answer?.success !== true || answer.data === undefined) throw toClientError(answer);
  return { items: answer.data, hasMore: answer.data.length === limit };
}

/** Walks a list page by page. @param read reads the page that follows a cursor; `next` of the last page is `undefined` */
export async function* walk<T, C>(
  read: (cursor: C | undefined) => Promise<{ readonly items: readonly T[]; readonly next: C | undefined }>,
): AsyncGenerator<T, void, undefined> {
  let cursor: C | undefined;
  do {
    const { items, next } = await read(cursor);
    yield* items;
    cursor = next;
  } while (cursor !== undefined);
}

/** The conversations of a team, page by page, pinned first, then the last active. */
export const teamConversations = <A extends ApplicationEvents>(client: TeamClient<A>, channelId?: string) =>
  walk(async (page: number = 1) => {
    const channel = channelId === undefined ? {} : { channel_id: channelId };
    const { conversation, paging } = await client.emit('list_conversation', { ...channel, page, limit: 100 });
    return { items: conversation, next: paging.has_next ? page + 1 : undefined };
  });

/** The support conversations of the user, or of a department, the last changed first. */
export const supportConversations = <A extends ApplicationEvents>(client: ChatClient<A>, departmentId?: string) =>
  walk(async (before: string | undefined) => {
    const filter = { ...(departmentId !== undefined && { departmentId }), ...(before !== undefined && { before }) };
    const { conversations, hasMore } = await client.emit('get_conversations', { ...filter, limit: 100 });
    return { items: conversations, next: hasMore ? conversations.at(-1)?._id : undefined };
  });

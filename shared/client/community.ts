/** The community chat, whose pages come over REST. */
import type { z } from 'zod';
import type { chatMessage } from '../contracts/community-parts.js';
import { type ChatClient, endAll } from './chats.js';
import { GatewayClientError, toClientError } from './error.js';
import { type Change, changed } from './live-view.js';
import { added, createTimeline, type Timeline } from './timeline.js';
import type { ApplicationEvents } from './types.js';

/** A message as the gateway sends it. */
export type CommunityMessage = z.output<typeof chatMessage>;

/** Where the pages of a community chat are read. */
export interface CommunityRest {
  readonly url: string;
  readonly token: () => Promise<string>;
  readonly fetch?: (
    url: string,
    init: { headers: Record<string, string> },
  ) => Promise<{ readonly status: number; json(): Promise<unknown> }>;
}

/** The messages of a community chat. */
export const communityTimeline = <A extends ApplicationEvents>(
  client: ChatClient<A>,
  chatId: string,
  rest: CommunityRest,
): Timeline<CommunityMessage> =>
  createTimeline<CommunityMessage>({
    client,
    enter: () => client.emit('chat:join', { chatId }),
    async read(range) {
      const items = await readRest<CommunityMessage>(rest, `/api/chats/${encodeURIComponent(chatId)}/messages`, range);
      return { items, hasMore: items.length === range.limit };
    },
    listen({ apply }) {
      /** The last read of each user. Its event can come before that of the message, from another node. */
      const reads = new Map<string, Read>();
      const noteRead = ({ chatId: id, ...read }: Read & { readonly chatId: string }): void => {
        if (id !== chatId) return;
        reads.set(read.userId, read);
        apply(readUpTo(read));
      };
      return endAll([
        client.on('chat:new_message', ({ chatId: id, message }) => {
          if (id !== chatId) return;
          apply(added(message));
          for (const read of reads.values()) if (read.messageId === message._id) apply(readUpTo(read));
        }),
        client.on('chat:message_read', noteRead),
        client.on('chat:read', noteRead),
        client.on('chat:message_edited', ({ message }) =>
          apply(changed(message._id, ({ readBy }) => ({ ...message, readBy }))),
        ),
        client.on('chat:message_deleted', ({ messageId }) => apply(changed(messageId, deleted))),
        client.on('chat:message_reaction', ({ messageId, reactions }) =>
          apply(changed(messageId, (message) => ({ ...message, reactions }))),
        ),
      ]);
    },
  });

/** A user has read the messages of others up to one. */
interface Read {
  readonly userId: string;
  readonly messageId: string;
  readonly readAt: string;
}

/** Messages that the gateway marks at once. */
const MARKED_MAX = 500;

/** Marks the messages from the one that was read back to the last one that the user had read before, as the gateway does. */
export const readUpTo =
  ({ userId: user, messageId, readAt }: Read): Change<CommunityMessage> =>
  (messages) => {
    const marked = [...messages];
    let count = 0;
    for (let index = marked.findIndex(({ _id }) => _id === messageId); index >= 0 && count < MARKED_MAX; index -= 1) {
      const message = marked[index];
      if (message === undefined || message.sender === user) continue;
      const before = message.readBy.find((read) => read.user === user);
      // A page that was read in between can have a part of these marks.
      if (before?.readAt === readAt) continue;
      if (before !== undefined) break;
      marked[index] = { ...message, readBy: [...message.readBy, { user, readAt }] };
      count += 1;
    }
    return marked;
  };

/** What is left of a deleted message. */
export const deleted = (message: CommunityMessage): CommunityMessage => ({
  ...message,
  isDeleted: true,
  content: '',
  reactions: [],
});

/** Reads a page over REST. @throws GatewayClientError */
export async function readRest<T>(
  { url, token, fetch: send = fetch }: CommunityRest,
  path: string,
  { before, limit }: { before: string | undefined; limit: number },
): Promise<T[]> {
  const query = new URLSearchParams({ limit: String(limit), ...(before !== undefined && { before }) });
  const headers = { authorization: `Bearer ${await token()}` };
  const response = await send(`${url}${path}?${query}`, { headers }).catch((cause: unknown) => {
    throw new GatewayClientError('UNREACHABLE', 'the gateway was not reached', { cause });
  });
  const answer = (await response.json().catch(() => undefined)) as { success?: boolean; data?: T[] };
  if (answer?.success !== true || answer.data === undefined) throw toClientError(answer);
  return answer.data;
}

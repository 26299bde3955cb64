/** Walking of whole lists. */
import type { ChatClient, TeamClient } from './chats.js';
import type { ApplicationEvents } from './types.js';

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

/** Live lists of the conversations of a team, and of those about contacts. */
import type { z } from 'zod';
import type { prospectConversation, teamConversation } from '../contracts/conversation-parts.js';
import { endAll, type TeamClient } from './chats.js';
import { createList, descending, type LiveList, PAGE, placed, removed } from './list.js';
import { type Change, changed, type Live, type ViewClient } from './live-view.js';
import type { ApplicationEvents } from './types.js';

/** Conversations as the gateway sends them. */
export type TeamConversation = z.output<typeof teamConversation>;

/** Conversations about contacts. */
export type ProspectConversation = z.output<typeof prospectConversation>;

/** A list to which the messages are added that this client sends: the gateway sends them to the others only. */
export interface TeamList<C extends AnyTeamConversation> extends LiveList<C> {
  /** @param message of the answer to the event that sent it */
  add(message: NonNullable<C['last_activity']>): void;
}

/**
 * The conversations of a team, pinned first, then the last active; without the archived and snoozed ones.
 * @param channelId absent: of all channels
 */
export const teamList = <A extends ApplicationEvents>(
  client: TeamClient<A>,
  channelId?: string,
): TeamList<TeamConversation> => {
  const isOfChannel = (one: TeamConversation): boolean =>
    channelId === undefined ||
    channelId === 'you' ||
    (channelId === 'mentions' ? one.mentioned : one.channel_id === channelId);
  return toTeamList<TeamConversation>({
    client,
    isListed: isOfChannel,
    read: (range) =>
      client.emit('list_conversation', { ...range, ...(channelId !== undefined && { channel_id: channelId }) }),
    listen: ({ place, take, check }) => [
      client.on('add_conversation', place),
      client.on('update_conversation', ({ data: { conversation } }) => {
        if (!('contact_id' in conversation)) place(conversation);
      }),
      client.on('message', take),
      client.on('counters', check),
    ],
  });
};

/** The conversations about contacts, in the same order. */
export const prospectList = <A extends ApplicationEvents>(client: TeamClient<A>): TeamList<ProspectConversation> =>
  toTeamList<ProspectConversation>({
    client,
    isListed: () => true,
    read: (range) => client.emit('prospect_list_conversation', range),
    listen: ({ place, take, check }) => [
      client.on('prospect_add_conversation', ({ is_new: _, ...conversation }) => place(conversation)),
      client.on('update_conversation', ({ data: { conversation } }) => {
        if ('contact_id' in conversation) place(conversation);
      }),
      client.on('prospect_message', take),
      client.on('counters', check),
    ],
  });

/** What both kinds have. */
interface AnyTeamConversation
  extends Pick<TeamConversation, '_id' | 'show_on_top' | 'archived' | 'snoozed_until' | 'unread_count' | 'createdAt'> {
  readonly last_activity: {
    readonly _id: string;
    readonly conversation_id: string;
    readonly is_sender: boolean;
    readonly createdAt: string;
  } | null;
}

interface TeamSource<C extends AnyTeamConversation> {
  readonly client: ViewClient;
  isListed(conversation: C): boolean;
  read(range: { page: number; limit: number }): Promise<{ conversation: C[]; paging: { has_next: boolean } }>;
  listen(take: {
    place(conversation: C): void;
    take(message: NonNullable<C['last_activity']>): void;
    check(): void;
  }): (() => void)[];
}

const activeAt = ({ last_activity, createdAt }: AnyTeamConversation): string => last_activity?.createdAt ?? createdAt;

const byActivity = (one: AnyTeamConversation, other: AnyTeamConversation): number =>
  Number(other.show_on_top) - Number(one.show_on_top) || descending(activeAt(one), activeAt(other));

function toTeamList<C extends AnyTeamConversation>({ client, isListed, read, listen }: TeamSource<C>): TeamList<C> {
  let live: Live<C> | undefined;
  const take = (message: NonNullable<C['last_activity']>): void => {
    live?.apply(withMessage(message));
    live?.check();
  };
  /** Events of two nodes can come in another order than they were stored, so what they say is checked. */
  const place = (conversation: C): void => {
    const isShown = isListed(conversation) && !conversation.archived && conversation.snoozed_until === null;
    live?.apply(isShown ? placed(conversation, byActivity) : removed(conversation._id));
    live?.check();
  };
  const list = createList<C>({
    client,
    compare: byActivity,
    async read(shown) {
      const { conversation, paging } = await read({ page: Math.floor(shown.length / PAGE) + 1, limit: PAGE });
      return { items: conversation, hasMore: paging.has_next };
    },
    listen(own) {
      live = own;
      return endAll(listen({ place, take, check: own.check }));
    },
  });
  return Object.assign(list, { add: take });
}

/** The unread count of a conversation is stored with the message, so a read has both or none. */
const withMessage = <C extends AnyTeamConversation>(message: NonNullable<C['last_activity']>): Change<C> =>
  changed(message.conversation_id, (one) =>
    activeAt(one) >= message.createdAt
      ? one
      : { ...one, last_activity: message, unread_count: one.unread_count + (message.is_sender ? 0 : 1) },
  );

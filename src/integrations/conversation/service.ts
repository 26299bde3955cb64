import { randomUUID } from 'node:crypto';
import { Types } from 'mongoose';
import type { z } from 'zod';
import type { payloads } from '#shared/contracts/conversation-parts.js';
import type { Counters } from '#shared/models/counter.js';
import type { Attachment, Message } from '#shared/models/message.js';
import type { Context } from '../../framework/context.js';
import { createSettling, type Settling } from '../../platform/concurrency/settling.js';
import type { Blocks } from '../users/index.js';
import { type Conversations, createConversations, type Viewer } from './conversations.js';
import { type CountedMembers, type CounterStore, createCounterStore, noCounters } from './counters/index.js';
import { createProspectKind, type ProspectDescription, type ProspectMessage } from './prospect/kind.js';
import { createTeamKind, type TeamDescription, type TeamMessage } from './team.js';

/** Team conversations. */
export type TeamConversations = Conversations<TeamDescription, TeamMessage>;

/** Prospect conversations: those of a team about a contact. */
type ProspectConversations = Conversations<ProspectDescription, ProspectMessage>;

/** Both kinds of conversation and their shared counters. */
export interface ConversationServices {
  readonly blocks: Blocks;
  readonly settling: Settling;
  readonly counters: CounterStore;
  readonly team: TeamConversations;
  readonly prospects: ProspectConversations;
}

/** Created once, because work on one conversation is serialized. */
export function createConversationServices(context: Context, blocks: Blocks): ConversationServices {
  const settling = createSettling(context);
  const basis = { counters: createCounterStore(context, settling), blocks, settling };
  return {
    ...basis,
    team: createConversations(context, { ...basis, kind: createTeamKind(context.models) }),
    prospects: createConversations(context, { ...basis, kind: createProspectKind(context.models) }),
  };
}

/** Sends a message to a team conversation. */
export const createSay = ({ send }: TeamConversations, { clock }: Pick<Context, 'clock'>) =>
  function sayInConversation(viewer: Viewer, data: z.output<typeof payloads.message>): Promise<TeamMessage> {
    const { conversation_id, UUID = randomUUID(), mentions, attachments } = data;
    const message: Message & { UUID: string; createdAt: Date } = {
      _id: new Types.ObjectId(),
      UUID,
      conversation_id: new Types.ObjectId(conversation_id),
      data: data.data,
      type: data.type,
      sent_by: viewer.userId,
      mentions: [...new Set(mentions)].map((id) => new Types.ObjectId(id)),
      attachments: attachments as Attachment[],
      createdAt: new Date(clock.now()),
    };
    return send(viewer, { conversationId: conversation_id, message, mentions });
  };

/**
 * The counters and conversations of a channel. Expired snoozes end first, and changes of other services are counted.
 *
 * All conversations of a user who has few are read, and nearly always agree with the counters. Only otherwise they are
 * counted in a transaction.
 */
export const createChannelView = (services: ConversationServices) => {
  const { counters, team, prospects } = services;
  const viewCounted = createCountedView(services);
  return async function viewChannels(viewer: Viewer, query: z.output<typeof payloads.channel>): Promise<ChannelView> {
    const { channel_id } = query;
    const counted = await counters.readCounted(viewer.userId);
    const view = counted === undefined ? undefined : await viewCounted(viewer, query, counted);
    if (view !== undefined) return view;
    for (const { snoozes } of [team, prospects]) await snoozes.wake(viewer.userId);
    await counters.refresh([viewer.userId]);
    if (channel_id === undefined) return { channels: Object.fromEntries(await counters.read(viewer.userId)) };
    const { lists } = channel_id === 'prospect' ? prospects : team;
    const [numbers, list] = await Promise.all([counters.readOne(viewer.userId, channel_id), lists.list(viewer, query)]);
    return { channel_id, counters: numbers, ...list };
  };
};

/** The answer of `channel`, without and with a channel. */
type ChannelView =
  | { channels: Record<string, Counters> }
  | ({ channel_id: string; counters: Counters } & Awaited<
      ReturnType<(TeamConversations | ProspectConversations)['lists']['list']>
    >);

/** @returns `undefined` when the user was removed from one of the conversations */
const createCountedView = ({ team, prospects }: ConversationServices) =>
  async function viewCountedChannels(
    viewer: Viewer,
    query: z.output<typeof payloads.channel>,
    counted: CountedMembers,
  ): Promise<ChannelView | undefined> {
    const { channel_id } = query;
    if (channel_id === undefined) {
      const departed = await Promise.all([team, prospects].map(({ lists }) => lists.hasDeparted(viewer, counted)));
      return departed.includes(true) ? undefined : { channels: Object.fromEntries(counted.counters) };
    }
    const [own, other] = channel_id === 'prospect' ? [prospects, team] : [team, prospects];
    const [hasDeparted, list] = await Promise.all([
      other.lists.hasDeparted(viewer, counted),
      own.lists.read(viewer, query, counted),
    ]);
    if (hasDeparted || list === undefined) return undefined;
    return { channel_id, counters: counted.counters.get(channel_id) ?? noCounters, ...list };
  };

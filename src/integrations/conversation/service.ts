import { randomUUID } from 'node:crypto';
import { Types } from 'mongoose';
import type { z } from 'zod';
import type { payloads } from '#shared/contracts/conversation-parts.js';
import type { Attachment, Message } from '#shared/models/message.js';
import type { Context } from '../../framework/context.js';
import type { Blocks } from '../users/index.js';
import { type Conversations, createConversations, type Viewer } from './conversations.js';
import { type CounterStore, createCounterStore } from './counters/index.js';
import { createProspectKind, type ProspectDescription, type ProspectMessage } from './prospect/kind.js';
import { createTeamKind, type TeamDescription, type TeamMessage } from './team.js';

/** Team conversations. */
export type TeamConversations = Conversations<TeamDescription, TeamMessage>;

/** Prospect conversations: those of a team about a contact. */
export type ProspectConversations = Conversations<ProspectDescription, ProspectMessage>;

/** Both kinds of conversation and their shared counters. */
export interface ConversationServices {
  readonly blocks: Blocks;
  readonly counters: CounterStore;
  readonly team: TeamConversations;
  readonly prospects: ProspectConversations;
}

/** Created once, because work on one conversation is serialized. */
export function createConversationServices(context: Context, blocks: Blocks): ConversationServices {
  const counters = createCounterStore(context);
  const basis = { counters, blocks };
  return {
    ...basis,
    team: createConversations(context, { ...basis, kind: createTeamKind(context.models) }),
    prospects: createConversations(context, { ...basis, kind: createProspectKind(context.models) }),
  };
}

/** Sends a message to a team conversation. */
export const createSay =
  ({ send }: TeamConversations, { clock }: Pick<Context, 'clock'>) =>
  (viewer: Viewer, data: z.output<typeof payloads.message>): Promise<TeamMessage> => {
    const { conversation_id, UUID = randomUUID(), mentions, attachments } = data;
    const message: Message & { UUID: string } = {
      _id: new Types.ObjectId(),
      UUID,
      conversation_id: new Types.ObjectId(conversation_id),
      data: data.data,
      type: data.type,
      sent_by: viewer.userId,
      mentions: [...new Set(mentions.map((id) => id.toLowerCase()))].map((id) => new Types.ObjectId(id)),
      attachments: attachments as Attachment[],
      createdAt: new Date(clock.now()),
    };
    return send(viewer, { conversationId: conversation_id, message, mentions });
  };

/**
 * The counters and conversations of a channel. Expired snoozes end first, and changes of other services are counted.
 */
export const createChannelView =
  ({ counters, team, prospects }: ConversationServices) =>
  async (viewer: Viewer, query: z.output<typeof payloads.channel>) => {
    const { channel_id } = query;
    for (const { snoozes } of [team, prospects]) await snoozes.wake(viewer.userId);
    await counters.refresh(viewer.userId);
    if (channel_id === undefined) return { channels: Object.fromEntries(await counters.read(viewer.userId)) };
    const { lists } = channel_id === 'prospect' ? prospects : team;
    const [numbers, list] = await Promise.all([counters.readOne(viewer.userId, channel_id), lists.list(viewer, query)]);
    return { channel_id, counters: numbers, ...list };
  };

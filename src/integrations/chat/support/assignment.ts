import type { Types } from 'mongoose';
import type { Models } from '#shared/models/index.js';
import type { SupportConversation } from '#shared/models/support-conversation.js';
import type { Principal } from '../../../auth/principal.js';
import type { Settling } from '../../../platform/concurrency/settling.js';
import type { Clock } from '../../../platform/time/clock.js';
import type { Work } from '../../../realtime/work.js';
import { type Blocks, blockedUser, ChatError, isSameAccount, type People } from '../shared/index.js';
import { type ConversationAccess, ensureOpen, isAgentOf, type UserAccess } from './access.js';
import type { Publisher } from './publisher.js';
import { createShow } from './show.js';
import type { States } from './states.js';
import { complete } from './stored-conversations.js';
import type { WireConversation } from './to-wire.js';

interface Dependencies {
  models: Models;
  people: People;
  blocks: Blocks;
  access: ConversationAccess;
  publisher: Publisher;
  work: Work;
  clock: Clock;
  states: States;
  settling: Pick<Settling, 'change'>;
}

/** Assigns and closes conversations. Each change is one atomic write, so one of several concurrent changes wins. */
export function createAssignment(dependencies: Dependencies) {
  const { models, people, blocks, access, publisher, work, clock, states, settling } = dependencies;
  const { SupportConversation: Conversation } = models;
  const show = createShow(models);

  /** @returns the changed conversation as it was sent; `null` if it did not match `where` */
  const change = (
    opened: UserAccess,
    where: object,
    { fields, send }: { fields: Partial<SupportConversation>; send: States['assigned'] },
  ): Promise<WireConversation | null> => {
    const make = async (): Promise<WireConversation | null> => {
      const changed = await Conversation.findOneAndUpdate(
        { _id: opened.conversation._id, ...where },
        // The clock of another node can be ahead, and clients keep the later time.
        { $set: fields, $max: { updatedAt: new Date(clock.now()) } },
        { returnDocument: 'after', timestamps: false },
      ).lean<SupportConversation | null>();
      return changed === null ? null : send(after(opened, complete(changed)));
    };
    return settling.change(make, () => states.mayBeChanged(after(opened, opened.conversation)));
  };

  /** Before a change, for the events about it. */
  const pay = (principal: Principal, { audience, conversation }: UserAccess): Promise<void> =>
    work.pay(principal, { receivers: audience.rooms.length + publisher.agentsHere(conversation.departmentId) });

  /** @throws ChatError `NOT_FOUND` for a user who cannot be assigned, `FORBIDDEN` for a block */
  const ensureAgent = async (opened: UserAccess, agentId: string): Promise<Types.ObjectId> => {
    const agent = await people.find(agentId);
    const isNear = opened.isOfDepartment
      ? opened.members.some((id) => agent?._id.equals(id) === true)
      : agent !== undefined && isSameAccount(agent, opened.caller);
    if (agent === undefined || !isNear || !isAgentOf(agent, opened)) {
      throw new ChatError('NOT_FOUND', 'Agent not found');
    }
    const others = opened.conversation.participants.filter((id) => !id.equals(agent._id));
    if ((await blocks.among(agent, others)).size > 0) throw blockedUser();
    return agent._id;
  };

  return {
    /** Assigns a conversation to an agent of its department. */
    async assign(principal: Principal, { conversationId, agentId }: { conversationId: string; agentId: string }) {
      const opened = await access.openAsUser(principal, conversationId);
      ensureAgentOf(opened);
      ensureOpen(opened.conversation);
      const assignedTo = await ensureAgent(opened, agentId);
      await pay(principal, opened);
      const fields = { assignedTo, assignedBy: opened.caller._id, assignedFrom: opened.conversation.assignedTo };
      const assigned = await change(opened, NOT_CLOSED, { fields, send: states.assigned });
      if (assigned === null) throw new ChatError('CONFLICT', 'The conversation is closed');
      return assigned;
    },

    /** Assigns an unassigned conversation to the caller. @throws ChatError `ALREADY_ASSIGNED` for all but the first */
    async claim(principal: Principal, { conversationId }: { conversationId: string }): Promise<WireConversation> {
      const opened = await access.openAsUser(principal, conversationId);
      ensureAgentOf(opened);
      ensureOpen(opened.conversation);
      const { _id } = opened.caller;
      await pay(principal, opened);
      const where = { ...NOT_CLOSED, assignedTo: null };
      const fields = { assignedTo: _id, assignedBy: _id, assignedFrom: null };
      const claimed = await change(opened, where, { fields, send: states.assigned });
      if (claimed !== null) return claimed;
      const { conversation } = await access.openAsUser(principal, conversationId);
      ensureOpen(conversation);
      // A retry.
      if (conversation.assignedTo?.equals(_id) !== true) {
        throw new ChatError('ALREADY_ASSIGNED', 'Already assigned to another agent');
      }
      return show.one(conversation);
    },

    /** Closes a conversation. Idempotent; a repeated call sends no event. */
    async close(principal: Principal, { conversationId }: { conversationId: string }): Promise<WireConversation> {
      const opened = await access.openAsUser(principal, conversationId);
      await pay(principal, opened);
      const closed = await change(opened, NOT_CLOSED, {
        fields: { status: 'closed', closedBy: opened.caller._id },
        send: states.closed,
      });
      return closed ?? show.one({ ...opened.conversation, status: 'closed' });
    },
  };
}

/** A conversation after a change by the caller. */
const after = (opened: UserAccess, conversation: SupportConversation) => ({
  conversation,
  caller: opened.caller,
  excluded: opened,
  formerAgent: opened.conversation.assignedTo,
});

const NOT_CLOSED = { status: { $ne: 'closed' } };

/** @throws ChatError `FORBIDDEN` */
function ensureAgentOf(opened: UserAccess): void {
  if (!isAgentOf(opened.caller, opened)) throw new ChatError('FORBIDDEN', 'Only agents may do this');
}

import type { Types } from 'mongoose';
import type { Models } from '#shared/models/index.js';
import type { SupportConversation } from '#shared/models/support-conversation.js';
import type { Settling } from '../../../platform/concurrency/settling.js';
import type { OutgoingEvent } from '../../../realtime/emitter.js';
import { rooms } from '../../../realtime/rooms.js';
import type { UserCaller } from '../shared/index.js';
import type { ConversationAccess } from './access.js';
import type { Audience, Excluded } from './audience.js';
import type { Publisher } from './publisher.js';
import { createShow } from './show.js';
import { complete } from './stored-conversations.js';
import type { WireConversation } from './to-wire.js';

interface Dependencies {
  models: Models;
  access: ConversationAccess;
  publisher: Publisher;
  settling: Settling;
}

/** A conversation after a change, and who made it. */
interface Changed {
  readonly conversation: SupportConversation;
  readonly caller: Pick<UserCaller, '_id' | 'id'>;
  /** The previous agent, who is notified too, and may no longer have access. */
  readonly formerAgent?: Types.ObjectId | null;
  readonly excluded: Excluded;
}

/** Sends that conversations were created, assigned or closed. */
export type States = ReturnType<typeof createStates>;

/** Notifies the participants, and the department of the conversation. */
export function createStates({ models, access, publisher, settling }: Dependencies) {
  const { SupportConversation: Conversation } = models;
  const show = createShow(models);

  const publish = async (
    changed: Changed,
    toEvent: (wire: WireConversation) => OutgoingEvent,
  ): Promise<WireConversation> => {
    const { conversation, excluded } = changed;
    const [wire, audience] = await Promise.all([show.one(conversation), access.audienceAfter(conversation, excluded)]);
    const outgoing = toEvent(wire);
    publisher.all(withFormerAgent(audience, changed), outgoing);
    if (wire.departmentId !== null) publisher.department(wire.departmentId, outgoing, [...excluded.blocked]);
    return wire;
  };

  const publishCreated = (changed: Changed): Promise<WireConversation> =>
    publish(changed, (payload) => ({ event: 'new_conversation', payload }));

  const publishAssigned = (changed: Changed): Promise<WireConversation> => {
    const { assignedTo, assignedBy = changed.caller._id } = changed.conversation;
    const who = { assignedTo: assignedTo?.toHexString(), assignedBy: assignedBy.toHexString() };
    const toPayload = (conversation: WireConversation) => ({ conversationId: conversation._id, ...who, conversation });
    return publish(changed, (wire) => ({ event: 'conversation_assigned', payload: toPayload(wire) }));
  };

  const publishClosed = (changed: Changed): Promise<WireConversation> => {
    const who = { closedBy: changed.caller.id };
    const toPayload = (conversation: WireConversation) => ({ conversationId: conversation._id, ...who, conversation });
    return publish(changed, (wire) => ({ event: 'conversation_closed', payload: toPayload(wire) }));
  };

  /** Sends what is stored. An assignment can be that of a closed conversation. */
  const publishStored = async (changed: Changed): Promise<unknown> => {
    const { assignedTo, status } = changed.conversation;
    if (assignedTo !== null) return publishAssigned(changed);
    return status === 'closed' ? publishClosed(changed) : undefined;
  };

  /** @param sent `undefined`: what is stored is sent in any case, by `publishLate` */
  const settle = (changed: Changed, publishLate: typeof publishStored, sent?: WireConversation): void => {
    const { _id, lastMessage } = changed.conversation;
    const read = async (): Promise<SupportConversation | undefined> => {
      const stored = await Conversation.findById(_id).lean<SupportConversation | null>();
      return stored === null ? undefined : complete(stored);
    };
    settling.settle(`state ${_id.toHexString()}`, {
      sent: sent && stateOf(sent),
      async read() {
        const stored = await read();
        // The message that was sent: a later one has an event of its own.
        return stored && stateOf(await show.one({ ...stored, lastMessage }));
      },
      async send() {
        const conversation = await read();
        // The agent that was sent may not be the stored one.
        const formerAgent = changed.conversation.assignedTo;
        if (conversation !== undefined) await publishLate({ ...changed, conversation, formerAgent });
      },
    });
  };

  /**
   * Sends a change, and later what is stored if the conversation is assigned, closed or shown otherwise.
   * @param publishLate sends what is stored when this fails
   */
  const settled =
    (send: (changed: Changed) => Promise<WireConversation>, publishLate: typeof publishStored = publishStored) =>
    async (changed: Changed): Promise<WireConversation> => {
      const wire = await send(changed).catch((error: unknown) => {
        // It is stored, and the same call again may find nothing to change.
        settle(changed, publishLate);
        throw error;
      });
      settle(changed, publishStored, wire);
      return wire;
    };

  const sendCreated = settled(publishCreated, publishCreated);

  return {
    /** Stores a conversation and sends it, later too if its outcome is unknown. */
    create: (changed: Changed, store: () => PromiseLike<unknown>): Promise<WireConversation> =>
      settling.change(
        async () => {
          await store();
          return sendCreated(changed);
        },
        () => settle(changed, publishCreated),
      ),
    assigned: settled(publishAssigned),
    closed: settled(publishClosed),
    /** Sends what is stored, once more. */
    sendAgain: { created: sendCreated, assigned: settled(publishAssigned), closed: settled(publishClosed) },
    /** Sends later what is stored of a conversation that may have been assigned or closed. @param changed as it was before */
    mayBeChanged: (changed: Changed): void => settle(changed, publishStored),
  };
}

function withFormerAgent(audience: Audience, { formerAgent, excluded }: Changed): Audience {
  const id = formerAgent?.toHexString();
  if (id === undefined || excluded.outsiders.has(id)) return audience;
  return { ...audience, rooms: [...audience.rooms, rooms.user(id)] };
}

/** What clients may show differently from the stored state after concurrent events of several nodes. */
const stateOf = ({ assignedTo, status, lastMessage }: WireConversation) => ({
  assignedTo,
  lastMessage,
  isClosed: status === 'closed',
});

import type { SupportConversation } from '#shared/models/support-conversation.js';
import type { SupportMessage } from '#shared/models/support-message.js';
import type { Context } from '../../../framework/context.js';
import type { LastChanges, Resending } from '../../../framework/integration.js';
import { chunksOf } from '../../../platform/lists.js';
import type { StoredChange } from '../../../platform/mongo/changes.js';
import { ChatError } from '../shared/index.js';
import { EMPTY_AUDIENCE } from './audience.js';
import type { SupportServices } from './service.js';
import { complete } from './stored-conversations.js';
import { toWireMessage } from './to-wire.js';

/** Documents that are read together. */
const READ_MAX = 200;

type Services = Pick<SupportServices, 'access' | 'publisher' | 'log' | 'reads' | 'states' | 'lastMessages'>;

/** Sends again what a node may have stored and not sent. */
export function createResending({ models }: Pick<Context, 'models'>, services: Services): Resending {
  const { SupportMessage: Message, SupportConversation: Conversation, SupportRead: Read } = models;
  const { access, publisher, log, reads, states, lastMessages } = services;

  /** Only its sender changes a message. */
  const sendChanged = async (message: SupportMessage): Promise<void> => {
    const conversationId = message.conversationId.toHexString();
    const [audience = EMPTY_AUDIENCE] = await access.audiencesOf(conversationId, [message]);
    const payload = { conversationId, messageId: message._id.toHexString(), deletedBy: message.senderId };
    if (message.isDeleted) publisher.all(audience, { event: 'message_deleted', payload });
    else if (message.editedAt != null)
      publisher.all(audience, { event: 'message_edited', payload: toWireMessage(message) });
  };

  const sendState = async (stored: SupportConversation, { isNew, fields }: StoredChange): Promise<void> => {
    const conversation = complete(stored);
    const { createdBy, assignedBy, assignedFrom, closedBy } = stored;
    const send = async (user: typeof createdBy | undefined, state: keyof typeof states.sendAgain): Promise<void> => {
      if (user == null) return;
      const excluded = await access.excludedFrom(conversation, user);
      const caller = { _id: user, id: user.toHexString() };
      await states.sendAgain[state]({ conversation, caller, excluded, formerAgent: assignedFrom ?? null });
    };
    if (isNew) await send(createdBy, 'created');
    if (fields.has('assignedTo') || fields.has('assignedBy')) await send(assignedBy, 'assigned');
    if (fields.has('status') && conversation.status === 'closed') await send(closedBy, 'closed');
  };

  const sendStates = async (changes: readonly StoredChange[]): Promise<void> => {
    const changed = new Map(changes.map((one) => [one.id.toHexString(), one]));
    const found = await Conversation.find({ _id: { $in: idsOf(changes) } }).lean<SupportConversation[]>();
    for (const one of found) {
      const change = changed.get(one._id.toHexString());
      if (change !== undefined) await sendState(one, change).catch(ignoreUnread);
    }
  };

  const sendMessages = async (changes: readonly StoredChange[]): Promise<void> => {
    const found = await Message.find({ _id: { $in: idsOf(changes) } }).lean<SupportMessage[]>();
    for (const one of found) await sendChanged(one).catch(ignoreUnread);
  };

  return {
    collections: [Message, Conversation, Read].map(({ collection }) => collection.collectionName),
    async send(changes: LastChanges) {
      for (const some of chunksOf(changes.of(Conversation), READ_MAX)) await sendStates(some);
      for (const some of chunksOf(changes.insertedIn(Message), READ_MAX)) {
        for (const message of await log.sendAgain(idsOf(some))) await lastMessages.note(message);
      }
      const isChanged = ({ fields }: StoredChange): boolean => fields.has('editedAt') || fields.has('isDeleted');
      for (const some of chunksOf(changes.of(Message).filter(isChanged), READ_MAX)) await sendMessages(some);
      for (const some of chunksOf(changes.of(Read), READ_MAX)) await reads.sendAgain(idsOf(some));
    },
  };
}

const idsOf = (changes: readonly StoredChange[]) => changes.map(({ id }) => id);

/** No user may see a conversation that would bring two accounts together. @throws any other error */
function ignoreUnread(error: unknown): void {
  if (!(error instanceof ChatError) || error.code !== 'NOT_FOUND') throw error;
}

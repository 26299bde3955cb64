import type { Models } from '#shared/models/index.js';
import { equalText } from '#shared/models/stored-text.js';
import type { SupportMessage } from '#shared/models/support-message.js';
import type { Context } from '../../../framework/context.js';
import { acknowledgedReadConcern } from '../../../platform/mongo/options.js';
import { createMessageLog, type MessageLog } from '../shared/index.js';
import type { ConversationAccess } from './access.js';
import { EMPTY_AUDIENCE } from './audience.js';
import { toWireMessage } from './to-wire.js';

/** The message log of the support chat. */
export type SupportLog = MessageLog<SupportMessage>;

/** The key of a message: its sender and the sender's id of it. */
export type SaidKey = Pick<SupportMessage, 'conversationId' | 'senderId' | 'senderType' | 'clientMessageId'>;

/** Finds the message of an earlier call with the same `clientMessageId`; `null` without one. */
export const createFindSaid = ({ SupportMessage: Message }: Pick<Models, 'SupportMessage'>) =>
  async function findSaidMessage({
    conversationId,
    senderId,
    senderType,
    clientMessageId,
  }: SaidKey): Promise<SupportMessage | null> {
    if (clientMessageId === undefined) return null;
    const key = { conversationId, senderId, senderType, clientMessageId: equalText(clientMessageId) };
    return Message.findOne(key).readConcern(acknowledgedReadConcern).lean<SupportMessage | null>();
  };

/**
 * Writes are batched when `MESSAGE_BATCH_SIZE` or `MESSAGE_BATCH_MS` is set.
 * @param access to the receivers of messages that are read to be sent
 */
export const createSupportLog = (context: Context, access: Pick<ConversationAccess, 'audiencesOf'>): SupportLog =>
  createMessageLog<SupportMessage>(context, {
    kind: {
      model: context.models.SupportMessage,
      conversations: context.models.SupportConversation as never,
      movedAt: 'updatedAt',
      parent: 'conversationId',
      time: 'timestamp',
    },
    topic: 'support',
    batch: context.config.support.messageBatch,
    findStored: createFindSaid(context.models),
    async toEvents(parent, messages) {
      const audiences = await access.audiencesOf(parent.toHexString(), messages);
      return messages.map((message, index) => ({ ...(audiences[index] ?? EMPTY_AUDIENCE), ...toEvent(message) }));
    },
  });

/** The event that receivers get for a message. */
export const toEvent = (message: SupportMessage) => ({ event: 'new_message', payload: toWireMessage(message) });

import type { Models } from '#shared/models/index.js';
import { equalText } from '#shared/models/stored-text.js';
import type { SupportMessage } from '#shared/models/support-message.js';
import type { Context } from '../../../framework/context.js';
import { acknowledgedReadConcern } from '../../../platform/mongo/options.js';
import { createMessageLog, type MessageLog } from '../shared/index.js';
import { toWireMessage } from './to-wire.js';

/** The messages of the support chat. */
export type SupportLog = MessageLog<SupportMessage>;

/** Which message: by its sender's own id. */
export type SaidKey = Pick<SupportMessage, 'conversationId' | 'senderId' | 'senderType' | 'clientMessageId'>;

/** Finds what the same call has stored before; `null` without a `clientMessageId`. */
export const createFindSaid =
  ({ SupportMessage: Message }: Pick<Models, 'SupportMessage'>) =>
  async ({ conversationId, senderId, senderType, clientMessageId }: SaidKey): Promise<SupportMessage | null> => {
    if (clientMessageId === undefined) return null;
    const said = { conversationId, senderId, senderType, clientMessageId: equalText(clientMessageId) };
    return Message.findOne(said).readConcern(acknowledgedReadConcern).lean<SupportMessage | null>();
  };

export const createSupportLog = (context: Context): SupportLog =>
  createMessageLog<SupportMessage>(context, {
    kind: { model: context.models.SupportMessage, parent: 'conversationId', time: 'timestamp' },
    topic: 'support',
    batch: context.config.support.messageBatch,
    findSaid: createFindSaid(context.models),
    toEvents: async (messages) => messages.map(toEvent),
  });

/** What those who hear a message get of it. */
export const toEvent = (message: SupportMessage) => ({ event: 'new_message', payload: toWireMessage(message) });

import { randomUUID } from 'node:crypto';
import { Types } from 'mongoose';
import type { z } from 'zod';
import type { payloads } from '#shared/contracts/conversation-parts.js';
import type { Communication } from '#shared/models/communication.js';
import { GatewayError } from '../../../errors.js';
import type { Context } from '../../../framework/context.js';
import type { Viewer } from '../conversations.js';
import type { ConversationServices } from '../service.js';

/** Operations that only prospect conversations have. */
export type ProspectService = ReturnType<typeof createProspectService>;

/** What team conversations can do as well is in `prospects`. */
export function createProspectService(
  { models, clock }: Context,
  { prospects }: Pick<ConversationServices, 'prospects'>,
) {
  return {
    /** Creates a conversation about a contact. @throws GatewayError `NOT_FOUND` for a contact of another account */
    async create(viewer: Viewer, data: z.output<typeof payloads.createProspect>): Promise<void> {
      const { contact_id, users = [], ...draft } = data;
      const contact = await models.Contact.findById(contact_id, { account: 1 }).lean();
      if (contact === null || !contact.account.equals(viewer.accountId)) throw new GatewayError('NOT_FOUND');
      await prospects.membership.create(viewer, {
        ...draft,
        users,
        more: { contact_id: contact._id },
      });
    },

    /** Stores an internal note and sends it to the participants. The contact never sees it. */
    addNote(viewer: Viewer, { conversation_id, data, UUID = randomUUID() }: z.output<typeof payloads.note>) {
      const message: Communication & { UUID: string; createdAt: Date } = {
        _id: new Types.ObjectId(),
        UUID,
        account: viewer.accountId,
        conversation_id: [new Types.ObjectId(conversation_id)],
        type: 'NOTE',
        data,
        sent_by: viewer.userId,
        createdAt: new Date(clock.now()),
      };
      return prospects.send(viewer, { conversationId: conversation_id, message, mentions: [] });
    },

    /** Sends a stored communication to all participants of its conversations. */
    async emitMessage(messageId: string): Promise<void> {
      const message = await models.Communication.findById(ensureId(messageId)).lean();
      if (message === null) throw new GatewayError('NOT_FOUND');
      await prospects.republish.message(message);
    },

    /** Sends a stored conversation to its participants, each with their own state. */
    async emitConversation(conversationId: string, isNew: boolean): Promise<void> {
      const conversation = await models.ConversationProspect.findById(ensureId(conversationId)).lean();
      if (conversation === null) throw new GatewayError('NOT_FOUND');
      await prospects.republish.conversation(conversation, { is_new: isNew });
    },
  };
}

/** @throws GatewayError `NOT_FOUND` for an id that is not an ObjectId */
function ensureId(id: string): string {
  if (!/^[0-9a-fA-F]{24}$/.test(id)) throw new GatewayError('NOT_FOUND');
  return id;
}

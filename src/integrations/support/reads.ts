import type { z } from 'zod';
import type { supportRead } from '#shared/contracts/support-parts.js';
import type { Models } from '#shared/models/index.js';
import type { SupportRead } from '#shared/models/support-message.js';
import type { Principal } from '../../auth/principal.js';
import type { Clock } from '../../platform/clock.js';
import { isDuplicateKey } from '../../platform/duplicate-key.js';
import type { ConversationAccess } from './access.js';
import type { Announce } from './announce.js';
import { ensureMessage } from './position.js';

/** How far people have read. */
export type Reads = ReturnType<typeof createReads>;

interface Dependencies {
  models: Models;
  access: ConversationAccess;
  announce: Announce;
  clock: Clock;
}

type Reader = Pick<SupportRead, 'conversationId' | 'readerId' | 'readerType'>;
type Progress = Pick<SupportRead, 'messageId' | 'messageAt' | 'readAt'>;

export function createReads({ models, access, announce, clock }: Dependencies) {
  const { SupportRead: Read, SupportMessage: Message } = models;

  /** @returns whether the reader was not as far before */
  const move = async (reader: Reader, read: Progress): Promise<boolean> => {
    const { messageAt, messageId } = read;
    const behind = { ...reader, messageAt: { $lte: messageAt }, $nor: [{ messageAt, messageId: { $gte: messageId } }] };
    try {
      await Read.updateOne(behind, { $set: read }, { upsert: true });
      return true;
    } catch (error) {
      if (!isDuplicateKey(error, 'readerId')) throw error;
      // The document is there: further already, or made at this moment by another tab.
      return (await Read.updateOne(behind, { $set: read })).modifiedCount > 0;
    }
  };

  return {
    /** How far each reader of a conversation is. */
    async of(conversationId: string): Promise<z.output<typeof supportRead>[]> {
      return (await Read.find({ conversationId }).lean()).map(toWire);
    },

    /** Notes that everything up to a message was read. Only what is further than before is stored and told. */
    async mark(principal: Principal, data: { conversationId: string; messageId: string }): Promise<void> {
      const { caller, conversation, audience } = await access.open(principal, data.conversationId);
      const { timestamp, _id } = await ensureMessage(Message, data);
      const reader = { conversationId: conversation._id, readerId: caller.id, readerType: caller.kind };
      const read = { messageId: _id, messageAt: timestamp, readAt: new Date(clock.now()) };
      if (!(await move(reader, read))) return;
      const payload = toWire({ ...reader, ...read });
      announce.others(audience, caller, { event: 'message_read', payload });
    },
  };
}

const toWire = ({ conversationId, messageId, readerId, readAt }: Reader & Progress): z.output<typeof supportRead> => ({
  conversationId: conversationId.toHexString(),
  messageId: messageId.toHexString(),
  readBy: readerId,
  readAt: readAt.toISOString(),
});

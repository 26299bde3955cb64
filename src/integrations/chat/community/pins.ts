import type { Principal } from '../../../auth/principal.js';
import type { Context } from '../../../framework/context.js';
import { ChatError } from '../shared/index.js';
import type { ChatsAccess, MessageRef } from './access.js';
import type { Publisher } from './publisher.js';
import type { RateLimits } from './rate-limits.js';

interface Dependencies extends Pick<Context, 'models' | 'clock'> {
  access: ChatsAccess;
  rateLimits: RateLimits;
  publisher: Publisher;
}

/** Maximum number of pinned messages in a chat. */
const PINS_MAX = 50;

/** Pins messages for all participants. Every participant can pin and unpin. */
export function createPins({ models, clock, access, rateLimits, publisher }: Dependencies) {
  const payloadOf = (chatId: string, messageId: string) => ({
    ...{ chatId, messageId },
    timestamp: new Date(clock.now()).toISOString(),
  });
  return {
    /** Idempotent. @throws ChatError `CONFLICT` for too many pinned messages */
    async pin(principal: Principal, ref: MessageRef): Promise<void> {
      const opened = await access.openMessageToSpeak(principal, ref);
      await rateLimits.pay(principal, { receivers: opened.chat.participants.length });
      const { caller, chat, message } = opened;
      const hasRoom = { [`pinnedMessages.${PINS_MAX - 1}`]: { $exists: false } };
      const { modifiedCount } = await models.Chat.updateOne(
        { _id: chat._id, pinnedMessages: { $ne: message._id }, ...hasRoom },
        { $push: { pinnedMessages: message._id } },
      );
      if (modifiedCount === 0) {
        if (await models.Chat.exists({ _id: chat._id, pinnedMessages: message._id })) return;
        throw new ChatError('CONFLICT', 'Too many messages are pinned');
      }
      const payload = { ...payloadOf(chat._id.toHexString(), message._id.toHexString()), pinnedBy: caller.id };
      publisher.all(opened, { event: 'chat:message_pinned', payload });
    },

    /** Idempotent. */
    async unpin(principal: Principal, ref: MessageRef): Promise<void> {
      const opened = await access.openMessageToSpeak(principal, ref);
      await rateLimits.pay(principal, { receivers: opened.chat.participants.length });
      const { caller, chat, message } = opened;
      const { modifiedCount } = await models.Chat.updateOne(
        { _id: chat._id, pinnedMessages: message._id },
        { $pull: { pinnedMessages: message._id } },
      );
      if (modifiedCount === 0) return;
      const payload = { ...payloadOf(chat._id.toHexString(), message._id.toHexString()), unpinnedBy: caller.id };
      publisher.all(opened, { event: 'chat:message_unpinned', payload });
    },
  };
}

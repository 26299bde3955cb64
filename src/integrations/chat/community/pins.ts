import type { Principal } from '../../../auth/principal.js';
import type { Context } from '../../../framework/context.js';
import type { Settling } from '../../../platform/concurrency/settling.js';
import { ChatError } from '../shared/index.js';
import { type ChatsAccess, ensureHeard, type MessageAccess, type MessageRef, messageNotFound } from './access.js';
import type { Publisher } from './publisher.js';
import type { RateLimits } from './rate-limits.js';

interface Dependencies extends Pick<Context, 'models' | 'clock'> {
  access: ChatsAccess;
  rateLimits: RateLimits;
  publisher: Publisher;
  settling: Settling;
}

/** Maximum number of pinned messages in a chat. */
const PINS_MAX = 50;

/** Pins messages for all participants. Every participant can pin and unpin. */
export function createPins({ models, clock, access, rateLimits, publisher, settling }: Dependencies) {
  const send = (opened: MessageAccess, isPinned: boolean): void => {
    const { caller, chat, message } = opened;
    const timestamp = new Date(clock.now()).toISOString();
    const about = { chatId: chat._id.toHexString(), messageId: message._id.toHexString(), timestamp };
    publisher.all(
      opened,
      isPinned
        ? { event: 'chat:message_pinned', payload: { ...about, pinnedBy: caller.id } }
        : { event: 'chat:message_unpinned', payload: { ...about, unpinnedBy: caller.id } },
    );
  };

  const isPinned = async ({ chat, message }: MessageAccess): Promise<boolean> =>
    (await models.Chat.exists({ _id: chat._id, pinnedMessages: message._id })) !== null;

  /** Sends later what is stored, if that is something else. @param sent `undefined`: in any case */
  const settle = (opened: MessageAccess, sent?: boolean): void => {
    const { message } = opened;
    settling.settle(`pin ${message._id.toHexString()}`, {
      sent,
      read: () => isPinned(opened),
      async send(stored) {
        const now = await access.again(opened);
        if (now !== undefined) send(now, stored);
      },
    });
  };

  const publish = (opened: MessageAccess, isPinned: boolean): void => {
    send(opened, isPinned);
    settle(opened, isPinned);
  };

  /** @returns whether the message was pinned */
  const removePin = async (opened: MessageAccess): Promise<boolean> => {
    const { chat, message } = opened;
    const { modifiedCount } = await models.Chat.updateOne(
      { _id: chat._id, pinnedMessages: message._id },
      { $pull: { pinnedMessages: message._id }, $set: { lastPin: toLastPin(opened) } },
    );
    return modifiedCount > 0;
  };

  /**
   * A deletion removes the pin after it has marked the message. One of the two sees the other.
   * @throws ChatError `NOT_FOUND` for a message that was deleted before it was pinned; then it is pinned no more
   */
  const ensureThere = async (opened: MessageAccess): Promise<void> => {
    const { chat, message } = opened;
    const isThere = await models.ChatMessage.exists({ _id: message._id, chat: chat._id, isDeleted: { $ne: true } });
    if (isThere !== null) return;
    await removePin(opened);
    throw messageNotFound();
  };

  return {
    /** Idempotent. @throws ChatError `CONFLICT` for too many pinned messages */
    async pin(principal: Principal, ref: MessageRef): Promise<void> {
      const opened = await access.openMessageToSpeak(principal, ref);
      await rateLimits.pay(principal, { receivers: opened.chat.participants.length });
      const { chat, message } = opened;
      const unpinned = { _id: chat._id, pinnedMessages: { $ne: message._id } };
      const lastPlace = `pinnedMessages.${PINS_MAX - 1}`;
      const store = () =>
        models.Chat.updateOne(
          { ...unpinned, [lastPlace]: { $exists: false } },
          { $push: { pinnedMessages: message._id }, $set: { lastPin: toLastPin(opened) } },
        );
      const { modifiedCount } = await settling.change(store, () => settle(opened));
      if (modifiedCount === 0) {
        const isFull = await models.Chat.exists({ ...unpinned, [lastPlace]: { $exists: true } });
        if (isFull) throw new ChatError('CONFLICT', 'Too many messages are pinned');
        // It was pinned already; another user may have unpinned it since then.
        return;
      }
      await ensureThere(opened).catch((error: unknown) => {
        // It is pinned, and pinning it again would not send that.
        if (!(error instanceof ChatError)) publish(opened, true);
        throw error;
      });
      publish(opened, true);
    },

    /** Idempotent. Also of a deleted message: another service may have deleted it without that. */
    async unpin(principal: Principal, ref: MessageRef): Promise<void> {
      const opened = ensureHeard(await access.openMessage(principal, ref));
      await rateLimits.pay(principal, { receivers: opened.chat.participants.length });
      const isRemoved = await settling.change(
        () => removePin(opened),
        () => settle(opened),
      );
      if (isRemoved) publish(opened, false);
    },

    /** Sends whether a message is pinned, once more. */
    async sendAgain(opened: MessageAccess): Promise<void> {
      publish(opened, await isPinned(opened));
    },
  };
}

/** What is stored to be sent again. */
const toLastPin = ({ message, caller }: MessageAccess): string => `${message._id.toHexString()} ${caller.id}`;

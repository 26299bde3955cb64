import { Types } from 'mongoose';
import type { z } from 'zod';
import type { communityPayloads } from '#shared/contracts/community-parts.js';
import { amountsOfMessage } from '#shared/contracts/costs.js';
import type { Chat } from '#shared/models/chat.js';
import type { ChatMessage } from '#shared/models/chat-message.js';
import type { Principal } from '../../../auth/principal.js';
import type { Context } from '../../../framework/context.js';
import { createKeyedMutex } from '../../../platform/keyed-mutex.js';
import { isPositioned, type UserCaller } from '../shared/index.js';
import { type ChatAccess, type ChatsAccess, ensureHeard, messageNotFound } from './access.js';
import { type ChatLog, toEvent } from './log.js';
import type { Notifications } from './notifications.js';
import { toAudience } from './publisher.js';
import type { RateLimits } from './rate-limits.js';
import { toWireMessage, type WireMessage } from './to-wire.js';

interface Dependencies extends Pick<Context, 'models' | 'clock' | 'logger' | 'config'> {
  access: ChatsAccess;
  rateLimits: RateLimits;
  log: ChatLog;
  notifications: Notifications;
}

/** A message to send. */
export type Draft = z.output<typeof communityPayloads.send>;

/** A draft that passed the checks, or the message that an earlier call stored. */
interface Checked extends ChatAccess {
  readonly stored?: ChatMessage;
  readonly replyTo?: Types.ObjectId | null;
}

/**
 * Sends a message: stores it, sends it, and makes it the last message of its chat, in this order. One user's messages in a
 * chat are stored in the order in which they arrived.
 *
 * A retry is answered with the stored message and not sent again; limits, blocks and checks apply to new messages. The
 * stored message is looked for only after a check failed or the unique index refused the new one, so it costs new messages
 * nothing.
 */
export function createSend(dependencies: Dependencies) {
  const { models, clock, logger, config, access, rateLimits, log, notifications } = dependencies;
  const mutex = createKeyedMutex({ clock, waitMs: config.sockets.turnWaitMs });

  const ensureReply = async (chat: Chat, replyToId: string | null | undefined): Promise<Types.ObjectId | null> => {
    if (replyToId == null) return null;
    const found = await models.ChatMessage.exists({ _id: replyToId, chat: chat._id });
    if (found === null) throw messageNotFound();
    return found._id;
  };

  /** @throws ChatError if the message is refused */
  const check = async (principal: Principal, draft: Draft): Promise<Checked> => {
    const find = ({ caller, chat }: ChatAccess) =>
      log.findStored({ chat: chat._id, sender: caller._id, ...keyOf(draft) });
    try {
      await rateLimits.consumeMessage(principal);
    } catch (limited) {
      if (draft.clientMessageId == null) throw limited;
      const opened = await access.open(principal, draft.chatId);
      const stored = await find(opened);
      if (stored === null) throw limited;
      return { ...opened, stored };
    }
    const opened = await access.open(principal, draft.chatId);
    try {
      const replyTo = await ensureReply(ensureHeard(opened).chat, draft.replyToId);
      await rateLimits.pay(principal, amountsOfMessage(opened.chat.participants.length));
      return { ...opened, replyTo };
    } catch (refusal) {
      const stored = await find(opened);
      if (stored === null) throw refusal;
      await rateLimits.refundMessage(principal);
      return { ...opened, stored };
    }
  };

  const store = async (principal: Principal, draft: Draft, { caller, chat, replyTo = null }: Checked) => {
    const message = toMessage(draft, { caller, chat, replyTo, createdAt: new Date(clock.now()) });
    const newest = { position: chat.lastPosition ?? 0, at: chat.lastMessageAt };
    const stored = await log.add({ message, parent: chat._id.toHexString(), newest, sender: caller.id });
    if (!stored.isNew) {
      await rateLimits.refundMessage(principal);
      await rateLimits.settle(principal, { paid: amountsOfMessage(chat.participants.length), done: {} });
    }
    return stored;
  };

  /** Nodes may run this in another order than they stored. On failure the message stays stored. */
  const storeLastMessage = ({ chat, _id, position, createdAt }: ChatMessage & { position: number }) =>
    models.Chat.collection
      .updateOne(
        { _id: chat, lastPosition: { $not: { $gte: position } } },
        {
          $set: {
            ...{ lastMessage: _id, lastPosition: position, lastMessageAt: createdAt },
            updatedAt: new Date(clock.now()),
          },
          $max: { lastActivity: createdAt },
        },
      )
      .catch((error: unknown) => logger.error({ err: error }, 'community: storing the last message of a chat failed'));

  return async function sendChatMessage(principal: Principal, draft: Draft): Promise<WireMessage> {
    const line = principal.kind === 'user' ? `${draft.chatId.toLowerCase()} ${principal.userId}` : '';
    // In an object, so that the mutex covers only the checks; the log orders the writes.
    const { checked, storing } = await mutex.join([line], async (turn) => {
      const checked = await check(principal, draft);
      if (checked.stored !== undefined) {
        return { checked, storing: Promise.resolve({ message: checked.stored, isNew: false }) };
      }
      await turn;
      return { checked, storing: store(principal, draft, checked) };
    });
    const { message, isNew } = await storing;
    const { caller, chat, blocked } = checked;
    const shown = toWireMessage(message, caller);
    if (!isNew || !isPositioned(message)) return shown;
    log.send({
      parent: shown.chat,
      position: message.position,
      announced: chat.lastPosition ?? 0,
      ...toAudience(checked),
      ...toEvent(shown),
    });
    await storeLastMessage(message);
    await notifications.notify({ caller, chat, blocked, message });
    return shown;
  };
}

// The unique index covers messages that have the field, so it must be absent, not `null`.
const keyOf = ({ clientMessageId }: Draft) => (clientMessageId == null ? {} : { clientMessageId });

function toMessage(
  draft: Draft,
  where: { caller: UserCaller; chat: Chat; replyTo: Types.ObjectId | null; createdAt: Date },
): ChatMessage {
  return {
    _id: new Types.ObjectId(),
    chat: where.chat._id,
    sender: where.caller._id,
    content: draft.content,
    messageType: draft.messageType,
    ...keyOf(draft),
    replyTo: where.replyTo,
    readBy: [],
    reactions: [],
    isEdited: false,
    editedAt: null,
    isDeleted: false,
    deletedAt: null,
    createdAt: where.createdAt,
  };
}

import type { Types } from 'mongoose';
import type { z } from 'zod';
import type { communityPayloads } from '#shared/contracts/community-parts.js';
import { amountsOfMessage } from '#shared/contracts/costs.js';
import type { Chat } from '#shared/models/chat.js';
import type { ChatMessage } from '#shared/models/chat-message.js';
import type { Principal } from '../../../auth/principal.js';
import type { Context } from '../../../framework/context.js';
import type { Settling } from '../../../platform/concurrency/settling.js';
import { createStoreMessage, isPositioned, type SendingRules, type StoredMessage } from '../shared/index.js';
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
  settling: Settling;
}

/** A message to send. */
export type Draft = z.output<typeof communityPayloads.send>;

/** The access of a sender, and the message that is replied to. */
interface Opened extends ChatAccess {
  readonly replyTo?: Types.ObjectId | null;
}

type PositionedMessage = ChatMessage & { readonly position: number };

/** Stores the message, sends it, makes it the last message of its chat, and notifies users who miss it, in this order. */
export function createSend(dependencies: Dependencies) {
  const { models, clock, logger, config, log, settling, notifications } = dependencies;
  const { turnWaitMs } = config.sockets;
  const store = createStoreMessage(createRules(dependencies), { log, settling, clock, turnWaitMs });

  const noteSent = ({ chat, position, createdAt }: PositionedMessage): void =>
    log.noteSent(chat, { position, at: createdAt });

  /** Nodes may run this in another order than they stored. */
  const storeLastMessage = async (message: PositionedMessage): Promise<void> => {
    const { filter, update } = toLastMessage(message, { sentUpTo: message.position, now: clock.now() });
    const { matchedCount } = await models.Chat.collection.updateOne(filter, update);
    // A later message is the last one.
    if (matchedCount === 0) noteSent(message);
  };

  const storeLastSurely = (message: PositionedMessage): Promise<void> =>
    storeLastMessage(message).catch((error: unknown) => {
      logger.error({ err: error }, 'community: storing the last message of a chat failed');
      settling.repeat(`last message ${message.chat.toHexString()}`, () => storeLastMessage(message));
    });

  const tell = async (stored: StoredMessage<ChatMessage, Opened>): Promise<WireMessage> => {
    const { message, isNew, isToSend, isLast, opened, announced } = stored;
    const { caller, chat, blocked } = opened;
    const shown = toWireMessage(message, caller);
    if (!isToSend || !isPositioned(message)) return shown;
    const { position } = message;
    const at = message.createdAt.getTime();
    log.send({ parent: shown.chat, position, announced, at, ...toAudience(opened), ...toEvent(shown) });
    if (isLast === true) noteSent(message);
    else await storeLastSurely(message);
    if (isNew) await notifications.notify({ caller, chat, blocked, message });
    return shown;
  };

  return {
    send: async (principal: Principal, draft: Draft): Promise<WireMessage> => tell(await store(principal, draft, tell)),
    /** Sends stored messages once more, and makes them the last ones. */
    async sendAgain(ids: readonly Types.ObjectId[]): Promise<void> {
      for (const message of await log.sendAgain(ids)) await storeLastSurely(message);
    },
  };
}

function createRules({
  models,
  clock,
  access,
  rateLimits,
  log,
}: Dependencies): SendingRules<ChatMessage, Draft, Opened> {
  const ensureReply = async (chat: Chat, replyToId: string | null | undefined): Promise<Types.ObjectId | null> => {
    if (replyToId == null) return null;
    const found = await models.ChatMessage.exists({ _id: replyToId, chat: chat._id });
    if (found === null) throw messageNotFound();
    return found._id;
  };

  return {
    parentOf: ({ chatId }) => chatId,
    senderOf: (principal) => (principal.kind === 'user' ? principal.userId : ''),
    count: rateLimits.consumeMessage,
    uncount: rateLimits.refundMessage,
    open: (principal, { chatId }) => access.open(principal, chatId),
    remembered: (principal, { chatId, replyToId }) =>
      replyToId == null ? access.remembered(principal, chatId) : undefined,
    noteChange: (principal, { chatId }) => access.noteChange(principal, chatId),
    async ensureAllowed(principal, { draft, opened }) {
      const replyTo = await ensureReply(ensureHeard(opened).chat, draft.replyToId);
      await rateLimits.pay(principal, amountsOfMessage(opened.chat.participants.length));
      return { ...opened, replyTo };
    },
    payBack: (principal, { chat }) =>
      rateLimits.settle(principal, { paid: amountsOfMessage(chat.participants.length), done: {} }),
    findStored: ({ caller, chat }, draft) => log.findStored({ chat: chat._id, sender: caller._id, ...keyOf(draft) }),
    conversationOf: ({ chat }) => chat,
    toMessage: ({ caller, chat, replyTo = null }, { draft, stamp: { _id, at } }) => ({
      _id,
      chat: chat._id,
      sender: caller._id,
      content: draft.content,
      messageType: draft.messageType,
      ...keyOf(draft),
      replyTo,
      readBy: [],
      reactions: [],
      isEdited: false,
      editedAt: null,
      isDeleted: false,
      deletedAt: null,
      createdAt: at,
    }),
    toLast: (message, sentUpTo) => ({
      collection: models.Chat.collection.collectionName,
      ...toLastMessage(message, { sentUpTo, now: clock.now() }),
    }),
  };
}

/** The update that makes a message the last one. @param sentUpTo every message up to this position has been sent */
function toLastMessage(
  { chat, _id, position, createdAt }: PositionedMessage,
  { sentUpTo, now }: { sentUpTo: number; now: number },
) {
  const isEarlier = { $not: { $gte: position } };
  return {
    filter: { _id: chat, lastPosition: isEarlier, storedPosition: isEarlier },
    update: {
      $set: { lastMessage: _id, storedPosition: position, lastMessageAt: createdAt, updatedAt: new Date(now) },
      $max: { lastActivity: createdAt, lastPosition: sentUpTo },
    },
  };
}

// The unique index covers messages that have the field, so it must be absent, not `null`.
const keyOf = ({ clientMessageId }: Draft) => (clientMessageId == null ? {} : { clientMessageId });

import { Types } from 'mongoose';
import type { z } from 'zod';
import type { communityPayloads } from '#shared/contracts/community-parts.js';
import { amountsOfMessage } from '#shared/contracts/costs.js';
import type { Chat } from '#shared/models/chat.js';
import type { ChatMessage } from '#shared/models/chat-message.js';
import type { Principal } from '../../../auth/principal.js';
import type { Context } from '../../../framework/context.js';
import { createKeyedMutex } from '../../../platform/keyed-mutex.js';
import type { Write } from '../../../platform/mongo/write-together.js';
import { isPositioned, type Stored, type Together, type UserCaller } from '../shared/index.js';
import { type ChatAccess, type ChatsAccess, ensureHeard, messageNotFound, toId } from './access.js';
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

/** A draft that passed the checks, the message that an earlier call stored, or a draft that is checked when it is stored. */
interface Checked extends ChatAccess {
  readonly stored?: ChatMessage;
  readonly replyTo?: Types.ObjectId | null;
  /** Absent: it was checked by reading. */
  readonly conditions?: readonly Write[];
}

/** A stored message, and who gets it. */
interface Sent extends Stored<ChatMessage> {
  readonly checked: Checked;
  /** Every message up to this position was sent before it was stored. */
  readonly announced: number;
}

/**
 * Sends a message: stores it, sends it, and makes it the last message of its chat, in this order. One user's messages in a
 * chat are stored in the order in which they arrived. A message in a chat that is remembered is checked, stored and made the
 * last message by one command.
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
    const checked = findKnown(principal, draft) ?? (await checkByReading(principal, draft));
    if (checked.stored !== undefined) await rateLimits.refundMessage(principal);
    return checked;
  };

  /** What is remembered, if that is enough to store a message. */
  const findKnown = (principal: Principal, { chatId, replyToId }: Draft): Checked | undefined =>
    replyToId != null || log.sentUpTo(toId(chatId)) === undefined ? undefined : access.known(principal, chatId);

  const checkByReading = async (principal: Principal, draft: Draft): Promise<Checked> => {
    const opened = await access.open(principal, draft.chatId);
    try {
      const replyTo = await ensureReply(ensureHeard(opened).chat, draft.replyToId);
      await rateLimits.pay(principal, amountsOfMessage(opened.chat.participants.length));
      return { ...opened, replyTo };
    } catch (refusal) {
      const stored = await log.findStored({ chat: opened.chat._id, sender: opened.caller._id, ...keyOf(draft) });
      if (stored === null) throw refusal;
      return { ...opened, stored };
    }
  };

  const store = async (principal: Principal, draft: Draft, first: Checked): Promise<Sent> => {
    let checked = first;
    const { chat, caller, conditions } = first;
    const parent = chat._id.toHexString();
    const newest = { position: Math.max(chat.lastPosition ?? 0, chat.storedPosition ?? 0), at: chat.lastMessageAt };
    const announced = Math.max(chat.lastPosition ?? 0, log.sentUpTo(parent) ?? 0);
    const stamp = { _id: new Types.ObjectId(), createdAt: new Date(clock.now()) };
    const toStored = (): ChatMessage => toMessage(draft, { ...stamp, ...checked });
    const together: Together<ChatMessage> | undefined = conditions && {
      conditions,
      async check() {
        access.noteChange(principal, draft.chatId);
        checked = await checkByReading(principal, draft);
        const { stored } = checked;
        return stored === undefined ? { message: toStored() } : { message: stored, isNew: false };
      },
      toLast: (message) => ({
        collection: models.Chat.collection.collectionName,
        ...toLastMessage(message as ChatMessage & { position: number }, announced),
      }),
    };
    const stored = await log.add({ message: toStored(), parent, newest, sender: caller.id, together });
    if (!stored.isNew) {
      await rateLimits.refundMessage(principal);
      await rateLimits.settle(principal, { paid: amountsOfMessage(chat.participants.length), done: {} });
    }
    return { ...stored, checked, announced };
  };

  /** @param sentUpTo every message up to this position has been sent */
  const toLastMessage = ({ chat, _id, position, createdAt }: ChatMessage & { position: number }, sentUpTo: number) => {
    const isEarlier = { $not: { $gte: position } };
    return {
      filter: { _id: chat, lastPosition: isEarlier, storedPosition: isEarlier },
      update: {
        $set: {
          ...{ lastMessage: _id, storedPosition: position, lastMessageAt: createdAt },
          updatedAt: new Date(clock.now()),
        },
        $max: { lastActivity: createdAt, lastPosition: sentUpTo },
      },
    };
  };

  /** Nodes may run this in another order than they stored. On failure the message stays stored. */
  const storeLastMessage = async (message: ChatMessage & { position: number }): Promise<void> => {
    const { filter, update } = toLastMessage(message, message.position);
    try {
      await models.Chat.collection.updateOne(filter, update);
    } catch (error) {
      logger.error({ err: error }, 'community: storing the last message of a chat failed');
    }
  };

  return async function sendChatMessage(principal: Principal, draft: Draft): Promise<WireMessage> {
    const line = principal.kind === 'user' ? `${draft.chatId.toLowerCase()} ${principal.userId}` : '';
    // In an object, so that the mutex covers only the checks; the log orders the writes.
    const { storing } = await mutex.join([line], async (turn) => {
      const checked = await check(principal, draft);
      if (checked.stored !== undefined) {
        const sent: Sent = { message: checked.stored, isNew: false, checked, announced: 0 };
        return { storing: Promise.resolve(sent) };
      }
      await turn;
      return { storing: store(principal, draft, checked) };
    });
    const { message, isNew, isLast, checked, announced } = await storing;
    const { caller, chat, blocked } = checked;
    const shown = toWireMessage(message, caller);
    if (!isNew || !isPositioned(message)) return shown;
    const { position } = message;
    log.send({ parent: shown.chat, position, announced, ...toAudience(checked), ...toEvent(shown) });
    if (isLast === true) log.noteSent(chat._id, position);
    else await storeLastMessage(message);
    await notifications.notify({ caller, chat, blocked, message });
    return shown;
  };
}

// The unique index covers messages that have the field, so it must be absent, not `null`.
const keyOf = ({ clientMessageId }: Draft) => (clientMessageId == null ? {} : { clientMessageId });

function toMessage(
  draft: Draft,
  where: { _id: Types.ObjectId; caller: UserCaller; chat: Chat; replyTo?: Types.ObjectId | null; createdAt: Date },
): ChatMessage {
  return {
    _id: where._id,
    chat: where.chat._id,
    sender: where.caller._id,
    content: draft.content,
    messageType: draft.messageType,
    ...keyOf(draft),
    replyTo: where.replyTo ?? null,
    readBy: [],
    reactions: [],
    isEdited: false,
    editedAt: null,
    isDeleted: false,
    deletedAt: null,
    createdAt: where.createdAt,
  };
}

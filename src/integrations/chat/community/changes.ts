import type { Types } from 'mongoose';
import { amountsOfMessage } from '#shared/contracts/costs.js';
import type { ChatMessage } from '#shared/models/chat-message.js';
import { spellingsOf } from '#shared/utilities/emoji.js';
import type { Principal } from '../../../auth/principal.js';
import type { Context } from '../../../framework/context.js';
import { storedForms } from '../../../models/index.js';
import type { Settling } from '../../../platform/settling.js';
import type { OutgoingEvent } from '../../../realtime/emitter.js';
import { ChatError } from '../shared/index.js';
import { type ChatsAccess, type MessageAccess, type MessageRef, messageNotFound } from './access.js';
import type { ChatLog } from './log.js';
import type { Notifications } from './notifications.js';
import type { Publisher } from './publisher.js';
import type { RateLimits } from './rate-limits.js';
import { sentAt, toWireMessage, toWireReactions, type WireMessage } from './to-wire.js';
import type { UserSummaries } from './user-summaries.js';

interface Dependencies extends Pick<Context, 'models' | 'clock'> {
  access: ChatsAccess;
  rateLimits: RateLimits;
  publisher: Publisher;
  summaries: UserSummaries;
  notifications: Notifications;
  settling: Settling;
  log: ChatLog;
}

/** How long a message can be edited. */
const EDIT_MS = 15 * 60_000;
const REACTIONS_MAX = 500;

/** Edits and deletes messages. Each change is one atomic write; the call that made it sends the event. */
export function createChanges({
  models,
  clock,
  access,
  rateLimits,
  publisher,
  summaries,
  notifications,
  settling,
  log,
}: Dependencies) {
  /** Sends a change of a message, and later what is stored if that is something else or came before the message. */
  const publish = <S>(opened: MessageAccess, { what, toState, toEvent }: Change<S>): S => {
    const { _id, chat } = opened.message;
    const sent = toState(opened.message);
    publisher.all(opened, toEvent(sent));
    settling.settle(`${what} ${_id.toHexString()}`, {
      sent: log.isOnItsWay(chat, opened.message) ? undefined : sent,
      read: async () => {
        const stored = await models.ChatMessage.findOne({ _id, chat }).lean<ChatMessage>();
        return stored === null ? undefined : toState(stored);
      },
      async send(stored) {
        const now = await access.again(opened);
        if (now !== undefined) publisher.all(now, toEvent(stored));
      },
    });
    return sent;
  };

  const publishEdited = (opened: MessageAccess): WireMessage =>
    publish(opened, {
      what: 'edit',
      toState: (message) => toWireMessage(message, opened.caller),
      toEvent: (message) => ({
        event: 'chat:message_edited',
        payload: { ...idsOf(opened.message), content: message.content, editedAt: message.editedAt, message },
      }),
    });

  const publishDeleted = (opened: MessageAccess, at: Date): void => {
    const payload = { ...idsOf(opened.message), deletedBy: opened.caller.id, timestamp: at.toISOString() };
    publish(opened, {
      what: 'deletion',
      toState: () => true,
      toEvent: () => ({ event: 'chat:message_deleted', payload }),
    });
  };

  /** @param own the reaction that the caller has added or removed */
  const publishReactions = (opened: MessageAccess, own: Reaction): WireMessage['reactions'] =>
    publish(opened, {
      what: 'reaction',
      toState: ({ reactions }) => toWireReactions(reactions),
      toEvent: (reactions) => ({
        event: 'chat:message_reaction',
        payload: { ...idsOf(opened.message), userId: opened.caller.id, ...own, reactions },
      }),
    });

  return {
    /** @throws ChatError `FORBIDDEN` for a message of another user, or one that is too old */
    async edit(principal: Principal, { content, ...ref }: MessageRef & { content: string }): Promise<WireMessage> {
      const opened = await access.openMessageToSpeak(principal, ref);
      const { caller, chat, message } = opened;
      const now = clock.now();
      if (!caller._id.equals(message.sender)) throw new ChatError('FORBIDDEN', 'You can only edit your own messages');
      if (now - sentAt(message).getTime() > EDIT_MS) {
        throw new ChatError('FORBIDDEN', 'The message can no longer be edited');
      }
      await rateLimits.pay(principal, amountsOfMessage(chat.participants.length));
      const edited = await models.ChatMessage.findOneAndUpdate(
        { _id: message._id, chat: message.chat, isDeleted: { $ne: true } },
        { $set: { content, isEdited: true, editedAt: new Date(now) } },
        { returnDocument: 'after' },
      ).lean<ChatMessage>();
      if (edited === null) throw messageNotFound();
      const shown = publishEdited({ ...opened, message: edited });
      await notifications.follow({ ...edited, participants: chat.participants });
      return shown;
    },

    /** Idempotent. @throws ChatError `FORBIDDEN` for a message of another user, unless the caller is an admin */
    async remove(principal: Principal, ref: MessageRef): Promise<void> {
      const opened = await access.openMessage(principal, ref);
      const { caller, chat, message } = opened;
      if (!caller._id.equals(message.sender) && caller.role !== 'admin') {
        throw new ChatError('FORBIDDEN', 'You can only delete your own messages');
      }
      await rateLimits.pay(principal, amountsOfMessage(chat.participants.length));
      const now = new Date(clock.now());
      const { modifiedCount } = await models.ChatMessage.updateOne(
        { _id: message._id, chat: message.chat, isDeleted: { $ne: true } },
        { $set: { isDeleted: true, deletedAt: now, content: '', reactions: [] } },
      );
      try {
        // Also when an earlier call has failed here.
        await models.Chat.updateOne({ _id: chat._id }, { $pull: { pinnedMessages: message._id } });
      } finally {
        if (modifiedCount > 0) publishDeleted(opened, now);
      }
      await notifications.follow({ ...message, participants: chat.participants });
    },

    /** @throws ChatError `CONFLICT` for too many reactions */
    async react(principal: Principal, { emoji, ...ref }: MessageRef & { emoji: string }): Promise<WireMessage> {
      const opened = await access.openMessageToSpeak(principal, ref);
      const { chat, message: current } = opened;
      const receivers = chat.participants.length;
      await rateLimits.pay(principal, { receivers, details: receivers * (current.reactions?.length ?? 0) });
      // Before the reaction is stored: a caller who gets an error would toggle it again.
      const sender = (await summaries.read([current.sender])).get(String(current.sender));
      const { stored, before, after } = await toggle(opened, emoji);
      if (before.length === after.length) throw new ChatError('CONFLICT', 'The message has too many reactions');
      const action = after.length > before.length ? 'added' : 'removed';
      const message = { ...stored, reactions: after };
      publishReactions({ ...opened, message }, { emoji, action });
      return toWireMessage(message, sender);
    },
  };

  /** Toggles in the database, so that concurrent toggles of several tabs all count. */
  async function toggle({ caller, message }: MessageAccess, emoji: string) {
    const own = { user: caller._id, emoji, createdAt: new Date(clock.now()) };
    const stored = await models.ChatMessage.findOneAndUpdate(
      { _id: message._id, chat: message.chat, isDeleted: { $ne: true } },
      [{ $set: { reactions: toToggled(own) } }],
      { returnDocument: 'before', updatePipeline: true },
    ).lean<ChatMessage>();
    if (stored === null) throw messageNotFound();
    const before = stored.reactions ?? [];
    const spellings = spellingsOf(emoji);
    const others = before.filter(({ user, emoji: other }) => !(own.user.equals(user) && spellings.includes(other)));
    if (others.length < before.length) return { stored, before, after: others };
    return { stored, before, after: before.length < REACTIONS_MAX ? [...before, own] : before };
  }
}

/** The reactions without this one; or with it, if it was missing and there is room. */
function toToggled(own: { user: Types.ObjectId; emoji: string; createdAt: Date }) {
  // Other services write reactions too: with other spellings, ids as strings, or values that are not lists.
  const reactions = { $cond: [{ $isArray: '$reactions' }, '$reactions', []] };
  const isOwn = {
    $and: [
      { $in: ['$$one.user', storedForms(own.user)] },
      { $in: ['$$one.emoji', { $literal: spellingsOf(own.emoji) }] },
    ],
  };
  const others = { $filter: { input: reactions, as: 'one', cond: { $not: [isOwn] } } };
  const added = { $concatArrays: [reactions, [{ ...own, emoji: { $literal: own.emoji } }]] };
  const isThere = { $lt: [{ $size: others }, { $size: reactions }] };
  const hasRoom = { $lt: [{ $size: reactions }, REACTIONS_MAX] };
  return { $cond: [isThere, others, { $cond: [hasRoom, added, reactions] }] };
}

/** What of a message has changed, and the event that shows it. */
interface Change<S> {
  readonly what: 'edit' | 'reaction' | 'deletion';
  readonly toState: (message: ChatMessage) => S;
  readonly toEvent: (state: S) => OutgoingEvent;
}

interface Reaction {
  readonly emoji: string;
  readonly action: 'added' | 'removed';
}

const idsOf = ({ _id, chat }: Pick<ChatMessage, '_id' | 'chat'>) => ({
  chatId: chat.toHexString(),
  messageId: _id.toHexString(),
});

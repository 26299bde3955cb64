import type { Types } from 'mongoose';
import { amountsOfMessage } from '#shared/contracts/costs.js';
import type { ChatMessage } from '#shared/models/chat-message.js';
import { spellingsOf } from '#shared/utilities/emoji.js';
import type { Principal } from '../../../auth/principal.js';
import type { Context } from '../../../framework/context.js';
import { storedForms } from '../../../models/index.js';
import { ChatError, type Settling } from '../shared/index.js';
import { type ChatsAccess, type MessageAccess, type MessageRef, messageNotFound } from './access.js';
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
}: Dependencies) {
  const show = async (message: ChatMessage): Promise<WireMessage> =>
    toWireMessage(message, (await summaries.read([message.sender])).get(String(message.sender)));

  /** Sends what is stored later, if that is not what was sent and the caller still may. */
  const settle = (principal: Principal, message: ChatMessage, { what, stateOf, send }: Sent): void => {
    const [messageId, sent] = [message._id.toHexString(), stateOf(message)];
    settling.settle(`${what} ${messageId}`, async () => {
      const stored = await models.ChatMessage.findOne({ _id: messageId, chat: message.chat }).lean<ChatMessage>();
      if (stored !== null && stateOf(stored) !== sent) send(await access.openMessage(principal, { messageId }));
    });
  };

  const sendEdited = (principal: Principal, opened: MessageAccess): WireMessage => {
    const { caller, message } = opened;
    const shown = toWireMessage(message, caller);
    const { content, editedAt } = shown;
    const payload = { ...idsOf(message), content, editedAt, message: shown };
    publisher.all(opened, { event: 'chat:message_edited', payload });
    const send = (now: MessageAccess) => void sendEdited(principal, now);
    settle(principal, message, { what: 'edit', stateOf: editedState, send });
    return shown;
  };

  /** @param own the reaction that the caller has added or removed */
  const sendReactions = (principal: Principal, opened: MessageAccess, own: Reaction): void => {
    const { caller, message } = opened;
    const reactions = toWireReactions(message.reactions);
    const payload = { ...idsOf(message), userId: caller.id, ...own, reactions };
    publisher.all(opened, { event: 'chat:message_reaction', payload });
    const send = (now: MessageAccess) => sendReactions(principal, now, own);
    settle(principal, message, { what: 'reaction', stateOf: reactedState, send });
  };

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
      const shown = sendEdited(principal, { ...opened, message: edited });
      await notifications.follow(edited);
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
      if (modifiedCount === 0) return;
      await models.Chat.updateOne({ _id: chat._id }, { $pull: { pinnedMessages: message._id } });
      const payload = { ...idsOf(message), deletedBy: caller.id, timestamp: now.toISOString() };
      publisher.all(opened, { event: 'chat:message_deleted', payload });
      await notifications.follow(message);
    },

    /** @throws ChatError `CONFLICT` for too many reactions */
    async react(principal: Principal, { emoji, ...ref }: MessageRef & { emoji: string }): Promise<WireMessage> {
      const opened = await access.openMessageToSpeak(principal, ref);
      const { chat, message: current } = opened;
      const receivers = chat.participants.length;
      await rateLimits.pay(principal, { receivers, details: receivers * (current.reactions?.length ?? 0) });
      const { stored, before, after } = await toggle(opened, emoji);
      if (before.length === after.length) throw new ChatError('CONFLICT', 'The message has too many reactions');
      const action = after.length > before.length ? 'added' : 'removed';
      const message = { ...stored, reactions: after };
      sendReactions(principal, { ...opened, message }, { emoji, action });
      return show(message);
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

/** What of a message was sent. */
interface Sent {
  readonly what: 'edit' | 'reaction';
  readonly stateOf: (message: ChatMessage) => string;
  /** Sends what is stored. */
  readonly send: (opened: MessageAccess) => void;
}

interface Reaction {
  readonly emoji: string;
  readonly action: 'added' | 'removed';
}

const reactedState = ({ reactions }: ChatMessage): string => JSON.stringify(toWireReactions(reactions));

const editedState = (message: ChatMessage): string =>
  JSON.stringify([message.content, message.editedAt, message.isDeleted === true, reactedState(message)]);

const idsOf = ({ _id, chat }: Pick<ChatMessage, '_id' | 'chat'>) => ({
  chatId: chat.toHexString(),
  messageId: _id.toHexString(),
});

import type { Types } from 'mongoose';
import { type Amounts, amountsOfMessage } from '#shared/contracts/costs.js';
import type { ChatMessage } from '#shared/models/chat-message.js';
import { spellingsOf } from '#shared/utilities/emoji.js';
import type { Principal } from '../../../auth/principal.js';
import type { Context } from '../../../framework/context.js';
import { storedForms } from '../../../models/index.js';
import type { Settling } from '../../../platform/concurrency/settling.js';
import type { OutgoingEvent } from '../../../realtime/emitter.js';
import { ChatError } from '../shared/index.js';
import { type ChatsAccess, type MessageAccess, type MessageRef, messageNotFound } from './access.js';
import type { ChatLog } from './log.js';
import type { Notifications } from './notifications.js';
import type { Publisher } from './publisher.js';
import type { RateLimits } from './rate-limits.js';
import { detailsOf, sentAt, toWireMessage, toWireReactions, type WireMessage } from './to-wire.js';
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
  /** Sends what is stored of a message later, if that is something else. @param sent `undefined`: in any case */
  const settle = <S>(opened: MessageAccess, { what, toState, toEvent, follow }: Change<S>, sent?: S): void => {
    const { _id, chat } = opened.message;
    settling.settle(`${what} ${_id.toHexString()}`, {
      sent,
      read: async () => {
        const stored = await models.ChatMessage.findOne({ _id, chat }).lean<ChatMessage>();
        return stored === null ? undefined : toState(stored);
      },
      async send(stored) {
        const now = await access.again(opened);
        if (now !== undefined) publisher.all(now, toEvent(stored));
        await follow?.();
      },
    });
  };

  /** Sends a change of a message, and later what is stored if that is something else or came before the message. */
  const publish = <S>(opened: MessageAccess, change: Change<S>): void => {
    const state = change.toState(opened.message);
    if (state === undefined) return;
    publisher.all(opened, change.toEvent(state));
    settle(opened, change, log.isOnItsWay(opened.chat._id, opened.message) ? undefined : state);
  };

  const toEdit = ({ caller, chat: { participants }, message: { _id, chat } }: MessageAccess): Change<WireMessage> => ({
    what: 'edit',
    toState: (message) => (message.isEdited === true ? toWireMessage(message, caller) : undefined),
    toEvent: (message) => ({
      event: 'chat:message_edited',
      payload: { ...idsOf({ _id, chat }), content: message.content, editedAt: message.editedAt, message },
    }),
    follow: () => notifications.follow({ _id, chat, participants }),
  });

  const toDeletion = ({ caller, chat, message }: MessageAccess, at: Date): Change<true> => ({
    what: 'deletion',
    toState: ({ isDeleted }) => isDeleted === true || undefined,
    toEvent: () => ({
      event: 'chat:message_deleted',
      payload: { ...idsOf(message), deletedBy: caller.id, timestamp: at.toISOString() },
    }),
    async follow() {
      await models.Chat.updateOne({ _id: message.chat }, { $pull: { pinnedMessages: message._id } });
      await notifications.follow({ ...message, participants: chat.participants });
    },
  });

  /** @param emoji the reaction that the caller has added or removed */
  const toReactions = ({ caller, message }: MessageAccess, emoji: string): Change<WireMessage['reactions']> => ({
    what: 'reaction',
    toState: ({ reactions }) => toWireReactions(reactions),
    toEvent(reactions) {
      const isAdded = reactions.some((one) => one.user === caller.id && spellingsOf(emoji).includes(one.emoji));
      const action = isAdded ? 'added' : 'removed';
      return {
        event: 'chat:message_reaction',
        payload: { ...idsOf(message), userId: caller.id, emoji, action, reactions },
      };
    },
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
      await rateLimits.pay(principal, amountsOfEdit(chat.participants.length, message));
      const editing = toEdit(opened);
      const store = () =>
        models.ChatMessage.findOneAndUpdate(
          { _id: message._id, chat: message.chat, isDeleted: { $ne: true } },
          { $set: { content, isEdited: true, editedAt: new Date(now) } },
          { returnDocument: 'after' },
        ).lean<ChatMessage>();
      const edited = await settling.change(store, () => settle(opened, editing));
      if (edited === null) throw messageNotFound();
      publish({ ...opened, message: edited }, editing);
      await notifications.follow({ ...edited, participants: chat.participants });
      return toWireMessage(edited, caller);
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
      const deletion = toDeletion(opened, now);
      const store = () =>
        models.ChatMessage.updateOne(
          { _id: message._id, chat: message.chat, isDeleted: { $ne: true } },
          { $set: { isDeleted: true, deletedAt: now, deletedBy: caller._id, content: '', reactions: [] } },
        );
      const { modifiedCount } = await settling.change(store, () => settle(opened, deletion));
      try {
        // Also when an earlier call has failed here.
        await models.Chat.updateOne({ _id: chat._id }, { $pull: { pinnedMessages: message._id } });
      } finally {
        if (modifiedCount > 0) publish({ ...opened, message: { ...message, isDeleted: true } }, deletion);
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
      const change = toReactions(opened, emoji);
      const toggled = await settling.change(
        () => toggle(opened, emoji),
        () => settle(opened, change),
      );
      const { stored, before, after } = toggled;
      if (before.length === after.length) throw new ChatError('CONFLICT', 'The message has too many reactions');
      const message = { ...stored, reactions: after };
      publish({ ...opened, message }, change);
      return toWireMessage(message, sender);
    },

    /**
     * Sends what is stored of a message that was changed, and does what the change brings about.
     * @param about a reaction: the emoji that the caller has added or removed
     */
    async sendAgain(opened: MessageAccess, about: 'edit' | 'deletion' | { readonly emoji: string }): Promise<void> {
      const { message } = opened;
      const send = async <S>(change: Change<S>): Promise<void> => {
        publish(opened, change);
        await change.follow?.();
      };
      if (about === 'edit') return send(toEdit(opened));
      if (about === 'deletion') return send(toDeletion(opened, message.deletedAt ?? new Date(clock.now())));
      return send(toReactions(opened, about.emoji));
    },
  };

  /** Toggles in the database, so that concurrent toggles of several tabs all count. */
  async function toggle({ caller, message }: MessageAccess, emoji: string) {
    const own = { user: caller._id, emoji, createdAt: new Date(clock.now()) };
    const stored = await models.ChatMessage.findOneAndUpdate(
      { _id: message._id, chat: message.chat, isDeleted: { $ne: true } },
      [{ $set: { reactions: toToggled(own), lastReaction: { $literal: toLastReaction(caller, emoji) } } }],
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

/** Each participant is sent the whole message. */
const amountsOfEdit = (people: number, message: ChatMessage): Amounts => ({
  ...amountsOfMessage(people),
  details: people * detailsOf(message),
});

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

/** A reaction as it is stored to be sent again. */
const toLastReaction = ({ id }: { readonly id: string }, emoji: string): string => `${id} ${emoji}`;

/** What of a message has changed, and the event that shows it. */
interface Change<S> {
  readonly what: 'edit' | 'reaction' | 'deletion';
  /** `undefined`: there is nothing to send. */
  readonly toState: (message: ChatMessage) => S | undefined;
  readonly toEvent: (state: S) => OutgoingEvent;
  /** What else the change brings about. It can be repeated. */
  readonly follow?: () => Promise<void>;
}

const idsOf = ({ _id, chat }: Pick<ChatMessage, '_id' | 'chat'>) => ({
  chatId: chat.toHexString(),
  messageId: _id.toHexString(),
});

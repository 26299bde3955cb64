import type { Types } from 'mongoose';
import type { z } from 'zod';
import type { chatMessage, notification } from '#shared/contracts/community-parts.js';
import type { ChatMessage } from '#shared/models/chat-message.js';
import type { Notification } from '#shared/models/notification.js';
import { toEmoji } from '#shared/utilities/emoji.js';
import { isBlank } from '#shared/utilities/visible-text.js';
import { readDate, readDocument, toIdText } from '../../../models/index.js';

/** A message on the wire. */
export type WireMessage = z.output<typeof chatMessage>;

/** A notification on the wire. */
export type WireNotification = z.output<typeof notification>;

/** The public fields of a user. */
export interface UserSummary {
  readonly name: string;
  readonly image: string | null;
}

/** A message on the wire, identical for all participants. Other services write messages too, so fields may be missing. */
export const toWireMessage = (stored: ChatMessage, sender: UserSummary | undefined): WireMessage => {
  const message = readDocument('ChatMessage', stored);
  return {
    _id: toIdText(message._id),
    chat: toIdText(message.chat),
    sender: toIdText(message.sender),
    senderName: sender?.name ?? '',
    senderImage: sender?.image ?? null,
    content: message.isDeleted === true ? '' : (message.content ?? ''),
    messageType: message.messageType ?? 'text',
    clientMessageId: message.clientMessageId ?? null,
    replyTo: toIdOrNull(message.replyTo),
    readBy: (message.readBy ?? []).map(({ user, readAt }) => ({
      user: toIdText(user),
      readAt: (readAt ?? sentAt(message)).toISOString(),
    })),
    reactions: toWireReactions(message.reactions),
    isEdited: message.isEdited ?? false,
    editedAt: message.editedAt?.toISOString() ?? null,
    isDeleted: message.isDeleted ?? false,
    createdAt: sentAt(message).toISOString(),
  };
};

/** The time of a message; that of its id if another service stored none. */
export const sentAt = ({ createdAt, _id }: Pick<ChatMessage, '_id' | 'createdAt'>): Date =>
  readDate(createdAt) ?? _id.getTimestamp();

/** Readers and reactions in a message. Other services store messages too, and may leave out any of these. */
export const detailsOf = ({ readBy, reactions }: Partial<Pick<ChatMessage, 'readBy' | 'reactions'>>): number =>
  (readBy?.length ?? 0) + (reactions?.length ?? 0);

/** Reactions on the wire: each emoji of a user once, in any spelling. */
export function toWireReactions(reactions: ChatMessage['reactions']): WireMessage['reactions'] {
  const shown = (reactions ?? []).flatMap(({ user, emoji }) =>
    isBlank(emoji ?? '') ? [] : [{ user: toIdText(user), emoji: toEmoji(emoji) }],
  );
  return [...new Map(shown.map((one) => [`${one.user} ${one.emoji}`, one])).values()];
}

/** A notification on the wire. */
export const toWireNotification = (found: Notification): WireNotification => {
  const stored = readDocument('Notification', found);
  return {
    _id: toIdText(stored._id),
    type: stored.type ?? '',
    title: stored.title ?? '',
    message: stored.message ?? '',
    sender: toIdOrNull(stored.sender),
    chatId: toIdOrNull(stored.relatedChat),
    messageId: toIdOrNull(stored.relatedMessage),
    isRead: stored.isRead ?? false,
    readAt: stored.readAt?.toISOString() ?? null,
    createdAt: (stored.createdAt ?? stored._id.getTimestamp()).toISOString(),
  };
};

const toIdOrNull = (id: Types.ObjectId | null | undefined): string | null => toIdText(id) || null;

import type { z } from 'zod';
import type { chatMessage, notification } from '#shared/contracts/community-parts.js';
import type { ChatMessage } from '#shared/models/chat-message.js';
import type { Notification } from '#shared/models/notification.js';

/** A message on the wire. */
export type WireMessage = z.output<typeof chatMessage>;

/** A notification on the wire. */
export type WireNotification = z.output<typeof notification>;

/** Somebody as others see them. */
export interface Face {
  readonly name: string;
  readonly image: string | null;
}

/** A message as everybody in its chat gets it. Other services write messages too, so much may be missing. */
export const toWireMessage = (message: ChatMessage, sender: Face | undefined): WireMessage => ({
  _id: message._id.toHexString(),
  chat: message.chat.toHexString(),
  sender: message.sender.toHexString(),
  senderName: sender?.name ?? '',
  senderImage: sender?.image ?? null,
  content: message.isDeleted === true ? '' : (message.content ?? ''),
  messageType: message.messageType ?? 'text',
  clientMessageId: message.clientMessageId ?? null,
  replyTo: message.replyTo?.toHexString() ?? null,
  readBy: (message.readBy ?? []).map(({ user, readAt }) => ({
    user: user.toHexString(),
    readAt: (readAt ?? message.createdAt).toISOString(),
  })),
  reactions: toWireReactions(message.reactions),
  isEdited: message.isEdited ?? false,
  editedAt: message.editedAt?.toISOString() ?? null,
  isDeleted: message.isDeleted ?? false,
  createdAt: message.createdAt.toISOString(),
});

export const toWireReactions = (reactions: ChatMessage['reactions'] = []): WireMessage['reactions'] =>
  reactions.map(({ user, emoji }) => ({ user: user.toHexString(), emoji }));

/** A notification as its recipient gets it. */
export const toWireNotification = (stored: Notification): WireNotification => ({
  _id: stored._id.toHexString(),
  type: stored.type ?? '',
  title: stored.title ?? '',
  message: stored.message ?? '',
  sender: stored.sender?.toHexString() ?? null,
  chatId: stored.relatedChat?.toHexString() ?? null,
  messageId: stored.relatedMessage?.toHexString() ?? null,
  isRead: stored.isRead ?? false,
  readAt: stored.readAt?.toISOString() ?? null,
  createdAt: (stored.createdAt ?? stored._id.getTimestamp()).toISOString(),
});

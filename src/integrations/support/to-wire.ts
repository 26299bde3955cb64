import type { z } from 'zod';
import type { supportConversation, supportFile, supportMessage } from '#shared/contracts/support-parts.js';
import type { SupportConversation } from '#shared/models/support-conversation.js';
import type { SupportFile, SupportMessage } from '#shared/models/support-message.js';

/** A message on the wire. */
export type WireMessage = z.output<typeof supportMessage>;

/** A conversation on the wire. */
export type WireConversation = z.output<typeof supportConversation>;

/** A stored file on the wire. */
export const toWireFile = ({ fileId, fileName, fileSize, fileType }: SupportFile): z.output<typeof supportFile> => ({
  fileId: fileId.toHexString(),
  fileUrl: `/files/${fileId.toHexString()}`,
  fileName,
  fileSize,
  fileType,
});

/** A message as everybody who may hear it gets it. Other services write messages too, so anything may be missing. */
export const toWireMessage = (message: SupportMessage): WireMessage => ({
  _id: message._id.toHexString(),
  conversationId: message.conversationId.toHexString(),
  senderId: String(message.senderId ?? ''),
  senderName: message.senderName ?? '',
  senderType: message.senderType ?? 'user',
  content: message.content ?? '',
  type: message.type ?? 'text',
  file: message.file == null ? null : toWireFile(message.file),
  metadata: message.metadata ?? null,
  clientMessageId: message.clientMessageId ?? null,
  timestamp: (message.timestamp ?? message._id.getTimestamp()).toISOString(),
  editedAt: message.editedAt?.toISOString() ?? null,
  isDeleted: message.isDeleted ?? false,
});

/** A conversation, complete, as everybody who may see it gets it. */
export const toWireConversation = (
  conversation: SupportConversation,
  lastMessage: SupportMessage | undefined,
): WireConversation => ({
  _id: conversation._id.toHexString(),
  participants: conversation.participants.map((id) => id.toHexString()),
  assignedTo: conversation.assignedTo?.toHexString() ?? null,
  departmentId: conversation.departmentId?.toHexString() ?? null,
  visitorId: conversation.visitorId,
  subject: conversation.subject ?? '',
  status: conversation.status ?? 'open',
  priority: conversation.priority ?? 'normal',
  lastMessage: lastMessage === undefined ? null : toWireMessage(lastMessage),
  createdBy: conversation.createdBy?.toHexString() ?? null,
  createdAt: (conversation.createdAt ?? conversation._id.getTimestamp()).toISOString(),
  updatedAt: conversation.updatedAt.toISOString(),
});

import type { z } from 'zod';
import type { supportConversation, supportFile, supportMessage } from '#shared/contracts/support-parts.js';
import type { SupportConversation } from '#shared/models/support-conversation.js';
import type { SupportFile, SupportMessage } from '#shared/models/support-message.js';
import { readDocument, toIdText } from '../../../models/index.js';

/** A message on the wire. */
export type WireMessage = z.output<typeof supportMessage>;

/** A conversation on the wire. */
export type WireConversation = z.output<typeof supportConversation>;

/** A stored file on the wire. */
export const toWireFile = ({ fileId, fileName, fileSize, fileType }: SupportFile): z.output<typeof supportFile> => ({
  fileId: toIdText(fileId),
  fileUrl: `/files/${toIdText(fileId)}`,
  fileName: fileName ?? '',
  fileSize: fileSize ?? 0,
  fileType: fileType ?? 'application/octet-stream',
});

/** Characters that a client has sent with a message. */
export const charactersOf = ({ content, metadata }: Pick<WireMessage, 'content' | 'metadata'>): number =>
  Object.values(metadata ?? {}).reduce<number>((sum, value) => sum + String(value).length, content.length);

/** A message on the wire, identical for all receivers. Other services write messages too, so fields may be missing. */
export const toWireMessage = (stored: SupportMessage): WireMessage => {
  const message = readDocument('SupportMessage', stored);
  return {
    _id: toIdText(message._id),
    conversationId: toIdText(message.conversationId),
    senderId: message.senderId ?? '',
    senderName: message.senderName ?? '',
    senderType: message.senderType ?? 'user',
    content: message.content ?? '',
    type: message.type ?? 'text',
    // A file without an id cannot be downloaded.
    file: message.file?.fileId == null ? null : toWireFile(message.file),
    metadata: toWireMetadata(message.metadata),
    clientMessageId: message.clientMessageId ?? null,
    timestamp: (message.timestamp ?? message._id.getTimestamp()).toISOString(),
    editedAt: message.editedAt?.toISOString() ?? null,
    isDeleted: message.isDeleted ?? false,
  };
};

/** Other services may store bytes or BSON types; clients get JSON. */
const toWireMetadata = (stored: unknown): WireMessage['metadata'] => {
  if (typeof stored !== 'object' || stored === null || Array.isArray(stored)) return null;
  const plain: unknown = JSON.parse(JSON.stringify(stored));
  return typeof plain === 'object' ? (plain as WireMessage['metadata']) : null;
};

/** A complete conversation on the wire, identical for all receivers. */
export const toWireConversation = (
  stored: SupportConversation,
  lastMessage: SupportMessage | undefined,
): WireConversation => {
  const conversation = readDocument('SupportConversation', stored);
  return {
    _id: toIdText(conversation._id),
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
    updatedAt: (conversation.updatedAt ?? conversation._id.getTimestamp()).toISOString(),
  };
};

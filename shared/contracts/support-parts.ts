import { z } from 'zod';
import { toWellFormed } from '../utilities/well-formed.js';
import { idOrTime, isoTime, objectId, opaqueId, pageLimit, shownText, storedKey, visibleText } from './primitives.js';

/* What the support chat is made of: the forms that come and go under the names of `support.ts`. */

/** The status of a conversation. A closed one takes no messages. */
const conversationStatuses = ['open', 'pending', 'resolved', 'closed'] as const;

/** The priority of a conversation. */
const priorities = ['low', 'normal', 'high', 'urgent'] as const;

/** The type of a message. */
const messageTypes = ['text', 'file', 'image'] as const;

/** Maximum number of users added to a conversation at once. */
const PARTICIPANTS_MAX = 200;

/** Maximum number of metadata fields of a message. */
const METADATA_MAX = 20;
const metadataValue = z.union([z.string().max(500), z.number(), z.boolean(), z.null()]);

type Metadata = Record<string, z.infer<typeof metadataValue>>;

/** As {@link shownText}. */
const withShownTexts = (metadata: Metadata): Metadata =>
  Object.fromEntries(
    Object.entries(metadata).map(([name, held]) => [name, typeof held === 'string' ? toWellFormed(held) : held]),
  );

/** Metadata of a message: flat, so that its size is bounded. Too many fields are refused before they are read. */
const metadata = z
  .custom<Metadata>((value) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
    const fields = Object.entries(value);
    return (
      fields.length <= METADATA_MAX &&
      fields.every(([name, held]) => storedKey.safeParse(name).success && metadataValue.safeParse(held).success)
    );
  }, `must be an object of at most ${METADATA_MAX} fields that hold short text, numbers or booleans, with keys of 1 to 64 characters, without NUL, and none of $ref, $id, $db, _bsontype`)
  .overwrite(withShownTexts)
  .meta({
    type: 'object',
    maxProperties: METADATA_MAX,
    propertyNames: z.toJSONSchema(storedKey),
    additionalProperties: z.toJSONSchema(metadataValue),
  });

const conversationId = { conversationId: objectId };
const content = visibleText(5000);
const clientMessageId = opaqueId;
const limit = z.number().int().min(1).max(100).default(50);
const draft = {
  content,
  type: z.enum(messageTypes).default('text'),
  clientMessageId: clientMessageId.optional(),
  metadata: metadata.optional(),
};

/** Cursor: the id of an entry, or a time. */
const position = idOrTime;

const pageSize = pageLimit.optional();

/** Binary data from Socket.IO. */
const bytes = z
  .custom<Uint8Array>((value) => value instanceof Uint8Array, 'must be binary')
  .meta({ type: 'string', format: 'binary', description: 'The content of the file.' });

/** Payloads of the events and bodies of the routes, by operation. */
export const supportPayloads = {
  conversation: z.object(conversationId),
  conversationOrId: z.union([z.object(conversationId), objectId], 'must be { conversationId }, or an id'),
  send: z.object({ ...conversationId, ...draft }),
  sendByRest: z.object(draft),
  file: z.tuple([
    bytes,
    z
      .object({
        ...conversationId,
        fileName: z.string().min(1).max(255),
        mimeType: z.string().max(128).describe("The browser's MIME type; empty when unknown.").optional(),
        clientMessageId: clientMessageId.optional(),
      })
      .nullish(),
  ]),
  read: z.object({ ...conversationId, messageId: objectId }),
  edit: z.object({ ...conversationId, messageId: objectId, content }),
  remove: z.object({ ...conversationId, messageId: objectId }),
  messages: z.object({ ...conversationId, before: position.optional(), after: position.optional(), limit }),
  messagesByRest: z.object({ before: position.optional(), after: position.optional(), limit: pageSize }),
  create: z.object({
    participants: z.array(objectId).max(PARTICIPANTS_MAX).default([]),
    departmentId: objectId.optional(),
    visitorId: opaqueId.optional(),
    subject: shownText(200).default(''),
    priority: z.enum(priorities).default('normal'),
    clientConversationId: opaqueId.describe('The same again is the same conversation.').optional(),
  }),
  list: z.object({
    status: z.enum(conversationStatuses).optional(),
    departmentId: objectId.optional(),
    before: position.optional(),
    limit,
  }),
  listByRest: z.object({
    status: z.enum(conversationStatuses).optional(),
    departmentId: objectId.optional(),
    before: position.optional(),
    limit: pageSize,
  }),
  assign: z.object({ ...conversationId, agentId: objectId }),
  assignByRest: z.object({ agentId: objectId }),
};

/** A stored file. */
export const supportFile = z.object({
  fileId: z.string(),
  fileUrl: z.string(),
  fileName: z.string(),
  fileSize: z.number().int(),
  fileType: z.string(),
});

/** A message of a conversation. */
export const supportMessage = z.object({
  _id: z.string(),
  conversationId: z.string(),
  senderId: z.string(),
  senderName: z.string(),
  senderType: z.enum(['user', 'visitor']),
  content: z.string(),
  type: z.enum(messageTypes),
  file: supportFile.nullable(),
  metadata: z.record(z.string(), z.unknown()).nullable(),
  clientMessageId: z.string().nullable(),
  timestamp: isoTime,
  editedAt: isoTime.nullable(),
  isDeleted: z.boolean(),
});

/** A conversation; identical for all who may see it. */
export const supportConversation = z.object({
  _id: z.string(),
  participants: z.array(z.string()),
  assignedTo: z.string().nullable(),
  departmentId: z.string().nullable(),
  visitorId: z.string().nullable(),
  subject: z.string(),
  status: z.enum(conversationStatuses),
  priority: z.enum(priorities),
  lastMessage: supportMessage.nullable(),
  createdBy: z.string().nullable(),
  createdAt: isoTime,
  updatedAt: isoTime,
});

/** A read receipt. */
export const supportRead = z.object({
  conversationId: z.string(),
  messageId: z.string(),
  readBy: z.string(),
  readAt: isoTime,
});

/** The public view of a department. */
const supportDepartment = z.object({ _id: z.string(), name: z.string(), isMember: z.boolean() });

/** Answers of the events and routes. */
export const supportAnswers = {
  message: supportMessage,
  conversation: supportConversation,
  messages: z.object({
    messages: z.array(supportMessage),
    hasMore: z.boolean(),
    reads: z.array(supportRead),
  }),
  conversations: z.object({ conversations: z.array(supportConversation), hasMore: z.boolean() }),
  departments: z.object({ departments: z.array(supportDepartment) }),
};

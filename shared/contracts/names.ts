import type { z } from 'zod';
import { chat, chatMessage, notification, personPresence, unreadCount } from './community-parts.js';
import {
  attachment,
  counters,
  paging,
  participant,
  prospectConversation,
  prospectMessage,
  teamConversation,
  teamMessage,
} from './conversation-parts.js';
import { deliveryState } from './deliveries.js';
import { emitted, presence } from './emit-api.js';
import {
  chatReplies,
  chatRequestFailure,
  errno,
  errorCode,
  eventFailure,
  refusalData,
  requestFailure,
} from './reply-schemas.js';
import { supportConversation, supportFile, supportMessage, supportRead } from './support-parts.js';

const named = {
  TeamMessage: teamMessage,
  ProspectMessage: prospectMessage,
  TeamConversation: teamConversation,
  ProspectConversation: prospectConversation,
  Participant: participant,
  Attachment: attachment,
  Counters: counters,
  Paging: paging,
  Chat: chat,
  ChatMessage: chatMessage,
  Notification: notification,
  UnreadCount: unreadCount,
  PersonPresence: personPresence,
  SupportConversation: supportConversation,
  SupportMessage: supportMessage,
  SupportFile: supportFile,
  SupportRead: supportRead,
  Emitted: emitted,
  Presence: presence,
  DeliveryState: deliveryState,
  ErrorCode: errorCode,
  ErrorStatus: errno,
  EventFailure: eventFailure,
  ChatEventFailure: chatReplies.failure,
  Failure: requestFailure,
  ChatFailure: chatRequestFailure,
  Refusal: refusalData,
} as const satisfies Record<string, z.ZodType>;

/** Schemas that several events or routes use, with the names under which the documents refer to them. */
export const schemaNames: ReadonlyMap<z.ZodType, string> = new Map(
  Object.entries(named).map(([name, schema]) => [schema, name]),
);

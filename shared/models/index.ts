import type { Connection } from 'mongoose';
import { defineApiSession } from './api-session.js';
import { defineChats } from './chat.js';
import { defineChatMessage } from './chat-message.js';
import { defineCommunication } from './communication.js';
import { defineContact } from './contact.js';
import { defineConversations } from './conversation.js';
import { defineCounter } from './counter.js';
import { defineDelivery } from './delivery.js';
import { defineDepartment } from './department.js';
import { defineFcmToken } from './fcm-token.js';
import { defineMember } from './member.js';
import { defineMessage } from './message.js';
import { defineNotification } from './notification.js';
import { defineRevocation } from './revocation.js';
import { defineSiteMember } from './site-member.js';
import { defineSocket } from './socket.js';
import { defineSupportConversation } from './support-conversation.js';
import { defineSupportMessages } from './support-message.js';
import { defineSupportUploads } from './support-upload.js';
import { defineUser } from './user.js';

/** Every model, made on one connection, so that two applications can live in one process. */
export type Models = ReturnType<typeof defineModels>;

/** Makes the models; builds no index and sends nothing. */
export const defineModels = (connection: Connection) => ({
  ...defineChats(connection),
  ...defineConversations(connection),
  ...defineDelivery(connection),
  ...defineSupportMessages(connection),
  ...defineSupportUploads(connection),
  ApiSession: defineApiSession(connection),
  ChatMessage: defineChatMessage(connection),
  Communication: defineCommunication(connection),
  Contact: defineContact(connection),
  Counter: defineCounter(connection),
  Department: defineDepartment(connection),
  FcmToken: defineFcmToken(connection),
  Member: defineMember(connection),
  Message: defineMessage(connection),
  Notification: defineNotification(connection),
  Revocation: defineRevocation(connection),
  SiteMember: defineSiteMember(connection),
  Socket: defineSocket(connection),
  SupportConversation: defineSupportConversation(connection),
  User: defineUser(connection),
});

import { z } from 'zod';
import { defineContract } from './contract.js';
import { errorCode } from './reply-schemas.js';

/** Data of the failure event, where the support chat does not define its own. */
export const chatError = z.looseObject({
  message: z.string(),
  code: errorCode,
  event: z.string(),
  retryAfterMs: z.number().optional(),
  chatId: z.string().optional(),
  clientMessageId: z.string().optional(),
});

const user = z.object({ userId: z.string() });

/** Presence events that both chats on `/` share. */
export const chats = defineContract({
  name: 'chats',
  serverEvents: {
    user_online: {
      summary: 'A user who shares a conversation, chat, group or department with this user came online.',
      payload: user,
    },
    user_offline: {
      summary: 'Such a user went offline: no tab on any node is connected, and none returned within the grace time.',
      payload: user,
    },
    presence_snapshot: {
      summary: 'Which of these users are online at the time of the connect.',
      payload: z.object({ online: z.array(z.string()) }),
    },
  },
});

import { z } from 'zod';
import { defineContract } from './contract.js';
import { errorCode } from './wording.js';

/** The data of the event that tells of a failure, where the support chat has none of its own. */
export const chatError = z.looseObject({
  message: z.string(),
  code: errorCode,
  event: z.string(),
  retryAfterMs: z.number().optional(),
  chatId: z.string().optional(),
  clientMessageId: z.string().optional(),
});

const user = z.object({ userId: z.string() });

/** What both chats on `/` tell of the people in them. */
export const chats = defineContract({
  name: 'chats',
  serverEvents: {
    user_online: {
      summary: 'Somebody who shares a conversation, chat, group or department with the user has come.',
      payload: user,
    },
    user_offline: {
      summary: 'The same person has gone, on every tab and node, and has not come back.',
      payload: user,
    },
    presence_snapshot: {
      summary: 'Who of these people is online at the moment of connecting.',
      payload: z.object({ online: z.array(z.string()) }),
    },
  },
});

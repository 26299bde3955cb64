import { z } from 'zod';
import { defineContract, type NamedLimit } from './contract.js';
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

/**
 * Snapshots of one user, on all namespaces: a connect causes one, and the event limit does not count connects. Each reads
 * many users, which are paid for as `examined`.
 */
export const snapshotLimit = { name: 'presence:snapshot', points: 100, windowMs: 10_000 } as const satisfies NamedLimit;

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
      summary: `Which of these users are online at the time of the connect. At most ${snapshotLimit.points} of each user in ${snapshotLimit.windowMs / 1000} s, on all namespaces.`,
      payload: z.object({ online: z.array(z.string()) }),
    },
  },
});

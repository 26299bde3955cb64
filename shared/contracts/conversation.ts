import { z } from 'zod';
import { defineContract } from './contract.js';
import { userId } from './primitives.js';

/** Whether a team member is at the desk. */
export const activeStatus = z.enum(['active', 'away']);

/** `/v1/conversation` and `/v1/conversation/live`. */
export const conversation = defineContract({
  name: 'conversation',
  clientEvents: {
    join: { summary: 'Says that the socket is active and tells the account.', payload: z.object({}) },
    active_status: {
      summary: 'Tells the account whether the user is active or away.',
      payload: z.object({ status: activeStatus }),
    },
  },
  serverEvents: {
    active_status: {
      summary: 'A member of the account became active or away.',
      payload: z.object({ userID: userId, conversation_active_status: activeStatus }),
    },
  },
});

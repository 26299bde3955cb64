import { z } from 'zod';
import { defineContract } from './contract.js';
import { deviceId } from './primitives.js';

const credential = z.string().describe('A JWT.').optional();

/** By what a client is known where users are, and which of their devices it is. */
export const userHandshake = {
  auth: z.object({
    session_id: z.string().describe('The id of an API session, whose token is used.').optional(),
    token: credential,
    deviceId: deviceId.optional(),
  }),
  query: z.object({ token: credential, deviceId: deviceId.optional() }),
};

/** What every authenticated namespace has: a token that can be renewed on the open socket, and a word before the end. */
export const session = defineContract({
  name: 'session',
  clientEvents: {
    refresh_token: {
      summary: 'Puts a newer token of the same user in the place of the one that is about to expire.',
      payload: z.object({ token: z.string().min(1).max(16_384) }),
      ownsToken: true,
    },
  },
  serverEvents: {
    auth_expiring: {
      summary: 'The token expires in `expires_in` seconds; send refresh_token.',
      payload: z.object({ expires_in: z.number().int().min(0) }),
    },
    auth_expired: { summary: 'The token has expired; the socket is closed.', payload: z.object({}) },
  },
});

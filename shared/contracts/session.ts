import { z } from 'zod';
import { defineContract } from './contract.js';
import { deviceId } from './primitives.js';

const credential = z.string().describe('A JWT.').optional();

/** Whether the client wants the id of each durable message; absent: no. */
export const deliveryIds = z
  .boolean()
  .describe(
    'Durable messages come with their ids: `{ deliveryId }`, for `_batch` `{ deliveryIds }`, before the acknowledgement.',
  )
  .optional();

/** Handshake of users: credential and device. */
export const userHandshake = {
  auth: z.object({
    session_id: z.string().describe('The id of an API session whose token is used.').optional(),
    token: credential,
    deviceId: deviceId.optional(),
    deliveryIds,
  }),
  query: z.object({ token: credential, deviceId: deviceId.optional() }),
};

/** Token renewal on an open socket, and expiry warnings; on every authenticated namespace. */
export const session = defineContract({
  name: 'session',
  clientEvents: {
    refresh_token: {
      summary: 'Replaces the token of the socket with a newer one of the same user.',
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

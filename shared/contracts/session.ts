import { z } from 'zod';
import { defineContract } from './contract.js';

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
    disconnected: {
      summary: 'A backend ended the connection.',
      payload: z.object({ reason: z.string().nullable() }),
    },
    server_draining: {
      summary: 'This node is about to stop; the connection is closed soon and may be opened again after that time.',
      payload: z.object({ retry_after_ms: z.number().int().min(0) }),
    },
    _batch: {
      summary: 'Durable messages that waited, each `[event, ...arguments]`, in order; to be acknowledged as a whole.',
      payload: z.array(z.array(z.unknown()).min(1)),
    },
    _resync: { summary: 'Durable messages were lost to a limit; load everything again.' },
    event_error: {
      summary: 'An event without an acknowledgement failed.',
      payload: z.object({
        success: z.literal(false),
        event: z.string(),
        message: z.string(),
        additional_info: z.looseObject({ errno: z.number() }),
      }),
    },
  },
});

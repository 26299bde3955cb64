import { z } from 'zod';
import { defineContract } from './contract.js';

/** `/v1/shared`: platform events, defined by the backends that emit them. */
export const sharedEvents = defineContract({
  name: 'shared-events',
  clientEvents: {
    join: { summary: 'Marks the socket as active. Idempotent.', payload: z.object({}) },
  },
});

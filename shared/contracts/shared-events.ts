import { z } from 'zod';
import { defineContract } from './contract.js';

/** `/v1/shared`: the events of the platform. Which ones there are is up to the backends that emit them. */
export const sharedEvents = defineContract({
  name: 'shared-events',
  clientEvents: {
    join: { summary: 'Says that the socket is active. May be repeated.', payload: z.object({}) },
  },
});

import { z } from 'zod';
import { defineContract } from './contract.js';
import { eventName } from './primitives.js';

/** The id of a scraper run: hard to guess, because knowing it is all that is asked. */
export const scraperId = z.string().regex(/^[A-Za-z0-9_-]{16,64}$/, 'must be 16 to 64 characters of A-Z a-z 0-9 _ -');

/** `/v1/lead-finder`. Nobody is asked who they are; nothing a client sends reaches another client. */
export const leadFinder = defineContract({
  name: 'lead-finder',
  clientEvents: {
    join: { summary: 'Follows a scraper; at most 10 per socket.', payload: z.object({ scraper_id: scraperId }) },
    leave: { summary: 'Follows it no longer.', payload: z.object({ scraper_id: scraperId }) },
  },
  relayed: { summary: 'How a scraper gets on, under the names that the backend chose.', payload: z.unknown() },
  routes: {
    emit: {
      summary: 'Sends an event to the sockets that follow a scraper.',
      method: 'post',
      path: '/lead-finder/:scraperId/emit/:event',
      params: z.object({ scraperId, event: eventName }),
      body: z.unknown(),
      answer: z.object({ sockets: z.number().int() }),
    },
  },
});

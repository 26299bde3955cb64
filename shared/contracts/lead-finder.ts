import { z } from 'zod';
import { defineContract } from './contract.js';
import { eventName } from './primitives.js';

/** The id of a scraper run. It must be hard to guess: knowing it is the only access check. */
const scraperId = z.string().regex(/^[A-Za-z0-9_-]{16,64}$/, 'must be 16 to 64 characters of A-Z a-z 0-9 _ -');

/** `/v1/lead-finder`: no authentication; nothing that a client sends reaches another client. */
export const leadFinder = defineContract({
  name: 'lead-finder',
  clientEvents: {
    join: { summary: 'Subscribes to a scraper; at most 10 per socket.', payload: z.object({ scraper_id: scraperId }) },
    leave: { summary: 'Unsubscribes from a scraper.', payload: z.object({ scraper_id: scraperId }) },
  },
  relayed: { summary: 'Progress of a scraper, under event names chosen by the backend.', payload: z.unknown() },
  routes: {
    emit: {
      summary: 'Sends an event to the sockets that are subscribed to a scraper.',
      method: 'post',
      path: '/lead-finder/:scraperId/emit/:event',
      params: z.object({ scraperId, event: eventName }),
      body: z.unknown(),
      answer: z.object({ sockets: z.number().int() }),
    },
  },
});

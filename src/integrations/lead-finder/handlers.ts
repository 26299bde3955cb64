import type { leadFinder } from '#shared/contracts/lead-finder.js';
import { invalid } from '../../errors.js';
import type { Handlers } from '../../framework/events.js';
import { rooms } from '../../realtime/rooms.js';

/** Maximum subscriptions of one socket. */
const SCRAPERS_MAX = 10;

/** The events of the lead finder. A socket is in its own room and those of scrapers. */
export const handlers: Handlers<typeof leadFinder> = {
  join: async ({ scraper_id }, { socketId, rooms: entered, enter }) => {
    const room = rooms.scraper(scraper_id);
    const followed = [...entered].filter((name) => name !== socketId);
    if (!followed.includes(room) && followed.length >= SCRAPERS_MAX) {
      throw invalid('scraper_id', `a socket can subscribe to at most ${SCRAPERS_MAX} scrapers`);
    }
    enter(room);
  },
  leave: async ({ scraper_id }, { leave }) => leave(rooms.scraper(scraper_id)),
};

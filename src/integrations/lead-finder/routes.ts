import type { leadFinder } from '#shared/contracts/lead-finder.js';
import type { Context } from '../../realtime/context.js';
import type { RouteHandlers } from '../../realtime/integration.js';
import { leadFinderNamespace } from '../../realtime/namespaces.js';
import { rooms } from '../../realtime/rooms.js';

/** The REST of the lead finder. */
export const createRoutes = ({ emitter }: Context): RouteHandlers<typeof leadFinder> => ({
  emit: async ({ params: { scraperId, event }, body }) => {
    const target = { namespaces: [leadFinderNamespace], rooms: [rooms.scraper(scraperId)] };
    return { sockets: emitter.emit(target, { event, payload: body }) };
  },
});

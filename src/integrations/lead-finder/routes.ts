import type { leadFinder } from '#shared/contracts/lead-finder.js';
import { leadFinderNamespace } from '#shared/contracts/namespaces.js';
import type { Context } from '../../framework/context.js';
import type { RouteHandlers } from '../../framework/routes.js';
import { rooms } from '../../realtime/rooms.js';

/** REST routes of the lead finder. */
export const createRoutes = ({ emitter }: Context): RouteHandlers<typeof leadFinder> => ({
  emit: async ({ params: { scraperId, event }, body }) => {
    const target = { namespaces: [leadFinderNamespace], rooms: [rooms.scraper(scraperId)] };
    return { sockets: emitter.emit(target, { event, payload: body }) };
  },
});

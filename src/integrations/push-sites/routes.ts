import type { pushSites } from '#shared/contracts/push-sites.js';
import type { Site } from '../../config/sites.js';
import { GatewayError } from '../../errors.js';
import type { RouteHandlers } from '../../framework/routes.js';
import type { SiteService } from './service.js';

/** REST routes of the push sites. `guard.ts` has authenticated the caller. */
export const createRoutes = (
  sites: ReadonlyMap<string, Site>,
  service: SiteService,
): RouteHandlers<typeof pushSites> => ({
  async send({ query, body: { rooms, event, args }, requestId, traceparent }) {
    const site = sites.get(query.site);
    if (site === undefined) throw new GatewayError('INVALID_API_KEY');
    const isResync = !OFF.includes(query.resync);
    await service.send(site, {
      rooms: [rooms].flat(),
      event,
      args: toArguments(args),
      isResync,
      requestId,
      traceparent,
    });
  },
});

const OFF = ['', 'false', '0'];

/** Absent: no argument. A list: all arguments. Anything else: the only argument. */
function toArguments(args: unknown): readonly unknown[] {
  if (args === undefined) return [];
  return Array.isArray(args) ? args : [args];
}

import type { administration } from '#shared/contracts/administration.js';
import type { RouteHandlers } from '../../framework/routes.js';
import type { createAdministrationService } from './service.js';

/** Route handlers of the administration. */
export const createRoutes = (
  service: ReturnType<typeof createAdministrationService>,
): RouteHandlers<typeof administration> => ({
  block: ({ params: { userId }, body: { seconds }, apiKey }) =>
    service.block(userId, { durationMs: Number(seconds) * 1000, key: apiKey }),
  unblock: ({ params: { userId }, apiKey }) => service.unblock(userId, apiKey),
  blockOf: async ({ params: { userId } }) => service.blockOf(userId),
  connections: ({ params: { userId }, query }) => service.connectionsOf(userId, toRange(query)),
  devices: ({ params: { userId } }) => service.devicesOf(userId),
  forgetDevice: ({ params, apiKey }) => service.forgetDevice(params, apiKey),
  clearDevice: ({ params, apiKey }) => service.clearDevice(params, apiKey),
  forgetAnyDevice: ({ params, query, apiKey }) => service.forgetDevice({ ...params, ...query }, apiKey),
  clearAnyDevice: ({ params, query, apiKey }) => service.clearDevice({ ...params, ...query }, apiKey),
  nodes: () => service.nodes(),
  nodeConnections: ({ params: { nodeId }, query }) => service.connectionsOfNode(nodeId, toRange(query)),
  drainNode: ({ params: { nodeId }, apiKey }) => service.drain(nodeId, apiKey),
});

const toRange = ({ after, limit }: { after?: string | undefined; limit: string }) => ({ after, limit: Number(limit) });

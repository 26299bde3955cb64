import type { administration } from '#shared/contracts/administration.js';
import type { RouteHandlers } from '../../framework/routes.js';
import type { createAdministrationService } from './service.js';

/** Route handlers of the administration. */
export const createRoutes = (
  service: ReturnType<typeof createAdministrationService>,
): RouteHandlers<typeof administration> => ({
  block: ({ params: { userId }, body: { seconds }, ...by }) => service.block(userId, Number(seconds) * 1000, by),
  unblock: ({ params: { userId }, ...by }) => service.unblock(userId, by),
  blockOf: async ({ params: { userId } }) => service.blockOf(userId),
  connections: ({ params: { userId }, query }) => service.connectionsOf(userId, toRange(query)),
  devices: ({ params: { userId } }) => service.devicesOf(userId),
  forgetDevice: ({ params, ...by }) => service.forgetDevice(params, by),
  clearDevice: ({ params, ...by }) => service.clearDevice(params, by),
  forgetAnyDevice: ({ params, query, ...by }) => service.forgetDevice({ ...params, ...query }, by),
  clearAnyDevice: ({ params, query, ...by }) => service.clearDevice({ ...params, ...query }, by),
  nodes: () => service.nodes(),
  nodeConnections: ({ params: { nodeId }, query }) => service.connectionsOfNode(nodeId, toRange(query)),
  drainNode: ({ params: { nodeId }, ...by }) => service.drain(nodeId, by),
});

const toRange = ({ after, limit }: { after?: string | undefined; limit: string }) => ({ after, limit: Number(limit) });

import { cluster } from '#shared/contracts/cluster.js';
import type { Context } from '../../framework/context.js';
import type { Integration } from '../../framework/integration.js';
import { mountRoutes } from '../../framework/routes.js';
import { createRoutes } from './routes.js';
import { Sampler } from './sampler.js';
import { createClusterService } from './service.js';

/** The nodes of the cluster, and what happened in the last hour. */
export function createCluster(context: Context): Integration {
  const { clock, metrics } = context;
  const sampler = new Sampler({ registry: metrics.registry, clock });
  return {
    name: cluster.name,
    routes: mountRoutes(cluster, createRoutes(createClusterService(context, sampler))),
    start: () => sampler.start(),
  };
}

import type { Context } from '../framework/context.js';
import { versions } from '../platform/version.js';
import { createEmitter } from '../realtime/emitter.js';
import { createLocalNode } from '../realtime/local-node.js';
import { createNodeCalls } from '../realtime/node-calls.js';
import { createSocketDirectory } from '../realtime/presence/socket-directory.js';
import { createWatches } from '../realtime/watches.js';
import { createWork } from '../realtime/work.js';
import { countSockets, everySocket, type GatewayServer } from '../sockets/socket.js';
import { createDraining, type Draining } from '../transport/connections/draining.js';
import { createSocketServer } from '../transport/socket-server.js';
import { startAuthentication } from './authentication.js';
import type { Base } from './base.js';
import { startDelivery } from './delivery.js';
import type { Outside } from './outside.js';

/** The Socket.IO server with its services. */
export type Realtime = Awaited<ReturnType<typeof createRealtime>>;

/** Step 2: the Socket.IO server, authentication, and the services that integrations use. */
export async function createRealtime(base: Base, outside: Outside) {
  const { config, clock, logger, metrics, cleanup } = base;
  const { models, cluster } = outside;
  const { presence, sitePresence, chatPresence, limiter, bus, onHeard, nodeId } = cluster;
  const io = createSocketServer(config, { adapter: cluster.adapter, clock });
  const { expiry, ...authentication } = await startAuthentication(base, outside, io);
  const sockets = createSocketDirectory({ model: models.Socket, logger });
  cleanup.add('socket directory', sockets.close);
  const nodeCalls = createNodeCalls({ bus, clock, nodeId });
  const delivery = await startDelivery(base, outside, { io, nodeCalls });
  const draining = createDraining(io, base);
  const { watches, endWatchers } = watchTraffic(base, outside, io);
  const context: Context = {
    ...base,
    ...authentication,
    ...delivery,
    models,
    presence,
    sitePresence,
    chatPresence,
    limiter,
    bus,
    onHeard,
    nodeCalls,
    watches,
    sockets,
    emitter: createEmitter(io, metrics),
    localNode: describeNode(base, { io, nodeId, draining }),
    work: createWork({ limiter, limit: config.sockets.limit, countSockets: (room) => countSockets(io, room) }),
    onEmitted(emitted) {
      base.onEmitted(emitted);
      if (base.traffic.isWatched) base.traffic.emitted(emitted);
    },
  };
  return { io, context, expiry, draining, endWatchers };
}

/** What operators see live, on this node and on the others. */
function watchTraffic({ config, steadyClock: clock, traffic }: Base, { cluster }: Outside, io: GatewayServer) {
  traffic.attach(() => everySocket(io));
  const { bus, nodeId } = cluster;
  const watches = createWatches({ traffic, bus, clock, nodeId, mayShowPayloads: !config.isProduction });
  const endWatchers = (): void => {
    traffic.close();
    watches.close();
  };
  return { watches, endWatchers };
}

const describeNode = (
  { config, health }: Base,
  { io, nodeId, draining }: { io: GatewayServer; nodeId: string; draining: Draining },
) =>
  createLocalNode({
    id: nodeId,
    name: config.nodeName,
    version: versions.version,
    io,
    isDraining: health.isDraining,
    beginDraining: () => void draining.all(),
  });

import { createDelivery } from '../realtime/delivery/index.js';
import { MailboxSockets } from '../realtime/delivery/outbox/sockets.js';
import { createPush } from '../realtime/delivery/push/index.js';
import { PushStore } from '../realtime/delivery/push/store.js';
import type { NodeCalls } from '../realtime/node-calls.js';
import type { GatewayServer } from '../sockets/socket.js';
import type { Base } from './base.js';
import type { Outside } from './outside.js';

/** Durable messages, and the push notifications for those that no device acknowledged. */
export async function startDelivery(
  base: Base,
  outside: Outside,
  { io, nodeCalls }: { readonly io: GatewayServer; readonly nodeCalls: NodeCalls },
) {
  const { config, clock, steadyClock, logger, metrics, traffic, cleanup } = base;
  const { sender, tracing, models, cluster } = outside;
  const { bus, nodeId } = cluster;
  const pushStore = new PushStore({ model: models.DeliveryPush, clock });
  const siteNames = config.sites.map(({ name }) => name);
  const delivery = createDelivery({
    models,
    clock,
    steadyClock,
    logger,
    metrics,
    tracing,
    pushStore,
    bus,
    nodeCalls,
    nodeId,
    sockets: new MailboxSockets(io, siteNames),
    settings: config.delivery,
  });
  await delivery.start();
  cleanup.add('delivery', delivery.stop);
  const push = createPush({ store: pushStore, sender, delivery, models, bus, clock, logger, metrics, traffic });
  push.start();
  cleanup.add('push', push.stop);
  return { delivery, push };
}

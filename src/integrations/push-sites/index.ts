import { siteNamespace } from '#shared/contracts/namespaces.js';
import { pushSites } from '#shared/contracts/push-sites.js';
import { siteStatus } from '#shared/contracts/site-status.js';
import type { Principal } from '../../auth/principal.js';
import { createSiteAuth } from '../../auth/site.js';
import type { Site } from '../../config/sites.js';
import type { Context } from '../../framework/context.js';
import type { Integration } from '../../framework/integration.js';
import type { Namespace } from '../../framework/namespace.js';
import { mountRoutes } from '../../framework/routes.js';
import { createSitesClient } from '../../platform/sites-client.js';
import type { Recipient } from '../../realtime/delivery/message.js';
import { rooms } from '../../realtime/rooms.js';
import { deviceOf } from '../../sockets/handshake.js';
import type { GatewaySocket } from '../../sockets/socket.js';
import { SiteActivities } from './activity.js';
import { createSiteGuard } from './guard.js';
import { createMembers } from './members.js';
import { createPresenceWebhooks, type SiteSocket } from './presence-webhooks.js';
import { toSiteRefusal } from './refusal.js';
import { createRoutes } from './routes.js';
import { createSiteService } from './service.js';
import { createSiteStatus } from './status.js';
import { createUserUpdates, type UserUpdate } from './updates.js';

/** `/<site>` and `POST /send`: websites that authenticate their own users and send to them. */
export function createPushSites(context: Context): Integration {
  const { config, secrets, clock, logger, delivery, models, sitePresence } = context;
  const sites = new Map([...config.sites].map((site) => [site.name, site]));
  const client = createSitesClient(clock);
  const activities = new SiteActivities(clock);
  const auth = createSiteAuth({ client, clock, onAnswer: (report) => activities.called(report) });
  const members = createMembers(models.SiteMember);
  const onUpdate = (site: string, update: UserUpdate): void => activities.updated(site, update);
  const updates = createUserUpdates({ client, clock, logger, onUpdate });
  const presenceWebhooks = createPresenceWebhooks({ sites, secrets, presence: sitePresence, updates, logger });
  const service = createSiteService({ ...context, members });

  /** Stores the rooms before the client is connected, so that it misses no later message. */
  const roomsOf = async (site: Site, principal: Principal): Promise<readonly string[]> => {
    if (principal.kind !== 'site') return [];
    const user = userOf(principal);
    if (user === undefined) return principal.rooms.map(rooms.site);
    await members.remember(user, principal.rooms);
    // Messages to the user's other rooms are delivered by the mailbox.
    return [rooms.user(user.userId), ...principal.rooms.filter((room) => room === site.publicChannel).map(rooms.site)];
  };

  const toNamespace = (site: Site): Namespace => ({
    name: siteNamespace(site.name),
    scopes: [],
    authenticate(handshake, address) {
      // Checked first, to save a call to the website.
      deviceOf(handshake);
      return auth.atHandshake(site, handshake, address);
    },
    roomsOf: (principal) => roomsOf(site, principal),
    toRefusal: toSiteRefusal,
    closesRefused: true,
  });

  return {
    name: pushSites.name,
    namespaces: [...sites.values()].map(toNamespace),
    routes: [
      ...mountRoutes(pushSites, createRoutes(sites, service), { authorize: createSiteGuard(secrets) }),
      ...mountRoutes(siteStatus, createSiteStatus(context, activities)),
    ],
    listeners: [
      {
        connected(socket) {
          const known = toSiteSocket(socket);
          if (known === undefined) return;
          socket.emit('_settings', { device_ttl: config.delivery.deviceTtlMs / 1000 });
          const user = userOf(known.principal);
          if (user === undefined) return;
          delivery.connect(socket, user);
          presenceWebhooks.connected(known, user);
        },
        disconnected(socket) {
          const known = toSiteSocket(socket);
          const user = known === undefined ? undefined : userOf(known.principal);
          if (known === undefined || user === undefined) return;
          delivery.disconnect(socket, user);
          presenceWebhooks.disconnected(known, user);
        },
      },
    ],
    start() {
      presenceWebhooks.start();
      return async () => {
        await updates.stop();
        await presenceWebhooks.stop();
        client.close();
      };
    },
  };
}

function toSiteSocket({ id, data: { principal, connectedAt, deviceId } }: GatewaySocket): SiteSocket | undefined {
  return principal.kind === 'site' ? { id, deviceId, principal, connectedAt } : undefined;
}

function userOf({ site, userId }: SiteSocket['principal']): Recipient | undefined {
  return userId === undefined ? undefined : { site, userId };
}

import { siteNamespace } from '#shared/contracts/namespaces.js';
import type { SitePrincipal } from '../../auth/principal.js';
import type { LiveSecrets } from '../../config/live-secrets.js';
import type { Site } from '../../config/sites.js';
import type { Logger } from '../../platform/logging/logger.js';
import { keyOf, type Recipient, recipientOf } from '../../realtime/delivery/message.js';
import type { ChangedUser, PresenceEntry, PresenceStore } from '../../realtime/presence/index.js';
import { createSeal } from './credentials.js';
import type { UserUpdate, UserUpdates } from './updates.js';

interface Dependencies {
  sites: ReadonlyMap<string, Site>;
  secrets: LiveSecrets;
  presence: PresenceStore;
  updates: UserUpdates;
  logger: Logger;
}

/** One client of a site. */
export interface SiteSocket {
  readonly id: string;
  readonly deviceId: string;
  readonly principal: SitePrincipal;
  /** Unix time in milliseconds. */
  readonly connectedAt: number;
}

/**
 * Notifies a site's website when the first connection of a user opens and the last one closes, over all nodes,
 * including when a node or Redis fails: presence decides, and says when. Sites without `updateUserUrl` have presence too,
 * because backends query connected devices.
 */
export function createPresenceWebhooks({ sites, secrets, presence, updates, logger }: Dependencies) {
  const seals = secrets.derive(
    ({ siteKeys }) => new Map([...siteKeys].map(([name, keys]) => [name, createSeal(keys)] as const)),
  );
  const noteFailure = (error: unknown): void => logger.error({ err: error }, 'push sites: updating presence failed');

  const toEntry = ({ id, deviceId, principal, connectedAt }: SiteSocket, user: Recipient): PresenceEntry => ({
    userId: keyOf(user),
    socketId: id,
    connectedAt,
    // Returned by presence after the last connection closed.
    accountId: listeningSiteOf(user) === undefined ? '' : (seals().get(user.site)?.seal(principal.credentials) ?? ''),
    place: { namespace: siteNamespace(user.site), deviceId },
  });

  /** The site of a user, if its website is to be notified. */
  const listeningSiteOf = ({ site }: Recipient): Site | undefined => {
    const known = sites.get(site);
    return known?.updateUserUrl === undefined ? undefined : known;
  };

  const report = (field: UserUpdate['field'], { userId: key, accountId: sealed, at }: ChangedUser): void => {
    const user = recipientOf(key);
    const site = listeningSiteOf(user);
    if (site === undefined) return;
    const credentials = seals().get(user.site)?.open(sealed) ?? {};
    updates.push(site, { userId: user.userId, field, at, credentials });
  };

  return {
    connected(socket: SiteSocket, user: Recipient): void {
      const entry = toEntry(socket, user);
      presence.add(entry).then((added) => {
        if (added.isFirst) report('last_connected', { ...entry, at: added.at });
      }, noteFailure);
    },

    disconnected(socket: SiteSocket, user: Recipient): void {
      presence.remove(toEntry(socket, user)).catch(noteFailure);
    },

    /** Starts presence if there are sites. */
    start(): void {
      if (sites.size === 0) return;
      const ignore = (): void => undefined;
      const online = (user: ChangedUser): void => report('last_connected', user);
      const offline = (user: ChangedUser): void => report('last_disconnected', user);
      presence.start({ online, offline, lost: ignore, restored: ignore }).catch(noteFailure);
    },

    stop: () => presence.stop(),
  };
}

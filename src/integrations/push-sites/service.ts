import { siteNamespace } from '#shared/contracts/namespaces.js';
import { userIdOf } from '../../auth/site.js';
import type { Site } from '../../config/sites.js';
import type { Context } from '../../framework/context.js';
import { chunksOf } from '../../platform/lists.js';
import { rooms as roomNames } from '../../realtime/rooms.js';
import type { Members } from './members.js';

/** Maximum users in one write, and maximum bytes of their messages. */
const USERS_MAX = 1000;
const BYTES_MAX = 16 * 1024 * 1024;

/** A message of a site. */
export interface SiteMessage {
  /** Compared exactly; duplicates are ignored. */
  readonly rooms: readonly string[];
  readonly event: string;
  readonly args: readonly unknown[];
  /** A device that acknowledges a later message of the same event first gets a resync. */
  readonly isResync: boolean;
  /** Of the call. */
  readonly requestId: string;
  readonly traceparent: string | undefined;
}

/** The operations of push sites. */
export type SiteService = ReturnType<typeof createSiteService>;

/**
 * Messages to a user, or to a shared room of users, are stored in the users' mailboxes before the call is answered.
 * Messages to the public channel, and all messages of a site without single users, are not stored.
 */
export function createSiteService({
  delivery,
  emitter,
  members,
  onEmitted,
  localNode,
}: Pick<Context, 'delivery' | 'emitter' | 'onEmitted' | 'localNode'> & { members: Members }) {
  const store = async ({ name }: Site, userIds: readonly string[], message: SiteMessage): Promise<void> => {
    const { event, args, isResync, requestId, traceparent } = message;
    const origin = { node: localNode.id };
    const bytes = Buffer.byteLength(JSON.stringify(args));
    const atOnce = Math.max(1, Math.min(USERS_MAX, Math.floor(BYTES_MAX / bytes)));
    const namespace = siteNamespace(name);
    for (const chunk of chunksOf(userIds, atOnce)) {
      const sent = chunk.map((userId) => {
        const recipient = { site: name, userId };
        return delivery.send({ recipient, namespace, event, args, isResync, requestId, origin, traceparent });
      });
      await Promise.all(sent);
    }
  };

  return {
    /** @throws GatewayError `UNAVAILABLE` when the database cannot be reached */
    async send(site: Site, message: SiteMessage): Promise<void> {
      const named = [...new Set(message.rooms)].map((room) => ({ room, userId: userIdOf(site, room) }));
      const users = named.flatMap(({ userId }) => userId ?? []);
      const others = named.flatMap(({ room, userId }) => (userId === undefined ? room : []));
      const shared = site.userRoomPrefix === undefined ? [] : others.filter((room) => room !== site.publicChannel);
      const addressed = [...new Set([...users, ...(await members.in(site.name, shared))])];
      await store(site, addressed, message);

      // Excludes the users, who get the message from their mailboxes. The rest of these rooms are clients without a
      // single user.
      const isPublic = shared.length < others.length;
      const exceptRoom = isPublic ? addressed.map(roomNames.user) : [];
      const target = { namespaces: [siteNamespace(site.name)], rooms: others.map(roomNames.site), exceptRoom };
      const { event, args, rooms } = message;
      emitter.emit(target, { event, args });
      onEmitted({
        event,
        args,
        rooms,
        namespace: siteNamespace(site.name),
        isDurable: site.userRoomPrefix !== undefined,
      });
    },
  };
}

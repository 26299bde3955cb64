import { siteNamespace, userNamespaces } from '#shared/contracts/namespaces.js';
import type { Principal } from '../../auth/principal.js';
import { everySocket, type GatewayServer, socketsIn } from '../../sockets/socket.js';
import { rooms } from '../rooms.js';
import type { MailboxSockets } from './index.js';
import { GENERAL_SITE, type Recipient } from './message.js';
import type { Outbox } from './outbox.js';

declare module '../../sockets/socket.js' {
  interface SocketState {
    /** Sends durable messages to the socket; `undefined` while there are none. */
    outbox: Outbox | undefined;
    /** Without an outbox: every message up to this position of the user's log was sent and acknowledged. */
    position: number;
  }
}

/**
 * The sockets that have a mailbox are those in the room of their user: no list of their own has to be kept.
 * @param sites names of the push sites; a message of another one, from a node with other settings, reaches nobody here
 */
export function createMailboxSockets(io: GatewayServer, sites: readonly string[]): MailboxSockets {
  const namespaces = new Map([
    [GENERAL_SITE, userNamespaces],
    ...sites.map((site) => [site, [siteNamespace(site)]] as const),
  ]);
  return {
    of: ({ site, userId }) => socketsIn(io, rooms.user(userId), namespaces.get(site) ?? []),
    *all() {
      for (const socket of everySocket(io)) {
        const recipient = recipientOf(socket.data.principal);
        if (recipient !== undefined && namespaces.get(recipient.site)?.includes(socket.nsp.name))
          yield { recipient, socket };
      }
    },
  };
}

/** Whose mailbox a socket has. */
function recipientOf(principal: Principal): Recipient | undefined {
  if (principal.kind === 'user') return { site: GENERAL_SITE, userId: principal.userId };
  if (principal.kind !== 'site' || principal.userId === undefined) return undefined;
  return { site: principal.site, userId: principal.userId };
}

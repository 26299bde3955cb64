import { siteNamespace, userNamespaces } from '#shared/contracts/namespaces.js';
import { type GatewayServer, type GatewaySocket, socketsIn } from '../../../sockets/socket.js';
import { rooms } from '../../rooms.js';
import { GENERAL_SITE, type Recipient } from '../message.js';
import type { Device } from '../storage/mailboxes.js';
import type { Outbox } from './outbox.js';

declare module '../../../sockets/socket.js' {
  interface SocketState {
    /** Sends durable messages to the socket; `undefined` while there are none. */
    outbox: Outbox | undefined;
    /** Without an outbox: every message up to this position of the user's log was sent and acknowledged. */
    position: number;
  }
}

/** The sockets of this node whose users have a mailbox: those in the room of a user, so no list has to be kept. */
export class MailboxSockets {
  readonly #io: GatewayServer;
  /** By site. */
  readonly #namespaces: ReadonlyMap<string, readonly string[]>;

  /** @param sites names of the push sites. Messages of another one, from a node with other settings, reach no socket here. */
  constructor(io: GatewayServer, sites: readonly string[]) {
    this.#io = io;
    this.#namespaces = new Map([
      [GENERAL_SITE, userNamespaces],
      ...sites.map((site) => [site, [siteNamespace(site)]] as const),
    ]);
  }

  of({ site, userId }: Recipient): GatewaySocket[] {
    return socketsIn(this.#io, rooms.user(userId), this.#namespaces.get(site) ?? []);
  }

  ofDevice({ recipient, deviceId }: Device): GatewaySocket[] {
    return this.of(recipient).filter((socket) => socket.data.deviceId === deviceId);
  }

  outboxesOf(device: Device): Outbox[] {
    return this.ofDevice(device).flatMap(({ data }) => data.outbox ?? []);
  }
}

import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import type { Server, Socket } from 'node:net';
import { cutConnection } from '../../library-internals/cut-connection.js';
import type { Logger } from '../../platform/logging/logger.js';
import type { Metrics } from '../../platform/metrics.js';
import type { CountKind, PeerCounts } from '../../platform/peer-counts.js';
import type { GatewaySocket } from '../../sockets/socket.js';
import { addressKeyOf, isPublicAddress } from './address.js';

type Connection = GatewaySocket['conn'];

/**
 * Default limit for one public address. Proxies usually have private addresses, and public proxies have many addresses.
 */
const PUBLIC_ADDRESS_MAX = 10_000;

interface Bounds {
  /** Maximum number of Socket.IO connections of this node; 0: unlimited. */
  nodeMax: number;
  /** Maximum for one address; 0: unlimited; `undefined`: {@link PUBLIC_ADDRESS_MAX}, unlimited for private addresses. */
  addressMax: number | undefined;
  /** Additional HTTP connections. */
  idleMax: number;
  trustedProxies: number;
  /** The limit of an address holds for all gateways of the machine. */
  peers: PeerCounts;
  logger: Pick<Logger, 'warn'>;
  metrics: Pick<Metrics, 'connectionsEnded'>;
}

/** Limits the connections of a node and of each address. */
export interface ConnectionBounds {
  /** To be called before a handshake is answered. @returns the refusal; `undefined`: allowed */
  refusalOf(request: IncomingMessage): string | undefined;
  /** Counts a connection until it closes. Closes it above the limit, because handshakes can overlap. */
  hold(connection: Connection): void;
  /** Counts a handshake that waits as a connection. @returns ends that; to be called once */
  reserve(request: IncomingMessage): () => void;
  /** Limits the TCP connections of any kind. */
  boundTcp(server: Server): void;
}

const REFUSALS = {
  node_limit: ['too many connections', 'a connection was refused: there are CONNECTIONS_MAX on this node'],
  address_limit: [
    'too many connections of this address',
    'a connection was refused: its address has ADDRESS_CONNECTIONS_MAX on this node',
  ],
} as const;

type Reason = keyof typeof REFUSALS;

const heldAddress = Symbol('address by which a connection is counted');
type Held<T> = T & { [heldAddress]?: string };

/**
 * Behind an untrusted proxy all clients have the address of the proxy. So private addresses are unlimited, unless a limit is
 * set or proxies are trusted; then the address is the client's.
 */
export function createConnectionBounds(bounds: Bounds): ConnectionBounds {
  const { nodeMax, addressMax, idleMax, trustedProxies, peers, logger, metrics } = bounds;
  const connections = createCounts('connections', peers);
  const lines = createCounts('lines', peers);

  const limitOf = (address: string): number => {
    if (addressMax !== undefined) return addressMax === 0 ? Number.POSITIVE_INFINITY : addressMax;
    return trustedProxies > 0 || isPublicAddress(address) ? PUBLIC_ADDRESS_MAX : Number.POSITIVE_INFINITY;
  };
  const problemOf = (address: string): Reason | undefined => {
    if (nodeMax > 0 && connections.total() >= nodeMax) return 'node_limit';
    return connections.of(address) >= limitOf(address) ? 'address_limit' : undefined;
  };
  const report = (reason: Reason): string => {
    const [told, logged] = REFUSALS[reason];
    metrics.connectionsEnded.inc({ reason });
    logger.warn(logged);
    return told;
  };
  const keyOf = (address: string | undefined, headers: IncomingHttpHeaders): string =>
    addressKeyOf({ address: address ?? '', headers }, trustedProxies);

  // Shared by all connections, to save a closure for each idle one.
  function release(this: Held<Connection>): void {
    connections.remove(this[heldAddress] ?? '');
  }
  function releaseLine(this: Held<Socket>): void {
    lines.remove(this[heldAddress] ?? '');
  }

  return {
    refusalOf({ socket, headers }) {
      const problem = problemOf(keyOf(socket.remoteAddress, headers));
      return problem === undefined ? undefined : report(problem);
    },

    hold(connection: Held<Connection>) {
      const address = keyOf(connection.remoteAddress, connection.request.headers);
      const problem = problemOf(address);
      if (problem !== undefined) {
        report(problem);
        cutConnection(connection);
        return;
      }
      connection[heldAddress] = connections.add(address);
      connection.on('close', release);
    },

    reserve({ socket, headers }) {
      const address = connections.add(keyOf(socket.remoteAddress, headers));
      return () => connections.remove(address);
    },

    boundTcp(server) {
      server.on('connection', (socket: Held<Socket>) => {
        // The connections of a trusted proxy belong to many clients.
        const address = trustedProxies > 0 ? '' : keyOf(socket.remoteAddress, {});
        const isOverNode = nodeMax > 0 && lines.total() >= nodeMax + idleMax;
        const isOverAddress = trustedProxies === 0 && lines.of(address) >= 2 * limitOf(address);
        if (isOverNode || isOverAddress) {
          report(isOverNode ? 'node_limit' : 'address_limit');
          socket.destroy();
          return;
        }
        socket[heldAddress] = lines.add(address);
        socket.on('close', releaseLine);
      });
    },
  };
}

/** Counts in total, and by address together with the other gateways of the machine. */
function createCounts(kind: CountKind, peers: PeerCounts) {
  const counts = new Map<string, { readonly address: string; count: number }>();
  const elsewhere = new Map<string, number>();
  let total = 0;
  peers.subscribe(kind, ({ key, by }) => {
    const count = (elsewhere.get(key) ?? 0) + by;
    if (count === 0) elsewhere.delete(key);
    else elsewhere.set(key, count);
  });
  return {
    total: () => total,
    of: (address: string): number => (counts.get(address)?.count ?? 0) + (elsewhere.get(address) ?? 0),
    /** @returns the address, as one shared string */
    add(address: string): string {
      const entry = counts.get(address) ?? { address, count: 0 };
      counts.set(address, entry);
      entry.count += 1;
      total += 1;
      peers.publish({ kind, key: address, by: 1 });
      return entry.address;
    },
    remove(address: string): void {
      const entry = counts.get(address);
      if (entry === undefined) return;
      entry.count -= 1;
      total -= 1;
      peers.publish({ kind, key: address, by: -1 });
      if (entry.count === 0) counts.delete(address);
    },
  };
}

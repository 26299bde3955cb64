import { type Principal, userOf } from '../auth/principal.js';
import { namespacesOf } from '../library-internals/server-state.js';
import { userAgentOf } from '../library-internals/slim-handshake.js';
import { everySocket, type GatewayServer, type GatewaySocket } from '../sockets/socket.js';

/** A socket of this node, for operators. */
export interface NodeConnection {
  readonly socketId: string;
  readonly namespace: string;
  readonly deviceId: string;
  /** ISO 8601. */
  readonly connectedAt: string;
  readonly kind: Principal['kind'];
  readonly userId: string | null;
}

/** What only the node of a socket knows of it. Travels as JSON. */
export interface SocketDetails {
  readonly socketId: string;
  readonly address: string;
  readonly client: {
    readonly transport: 'websocket' | 'polling';
    /** `null`: the client sent none. */
    readonly userAgent: string | null;
  };
  /** ISO 8601; `null`: without end. */
  readonly tokenExpiresAt: string | null;
}

/** What this node reports about itself. */
export interface NodeInfo {
  readonly name: string;
  readonly version: string;
  readonly connections: number;
  readonly isDraining: boolean;
}

/** A page of sockets. */
export interface PageRange {
  readonly after: string | undefined;
  readonly limit: number;
}

/** The sockets of one namespace. */
export interface NamespaceLoad {
  readonly connections: number;
  /** Durable messages for them that are not acknowledged. */
  readonly waiting: number;
}

/** This node, as operators see it. */
export interface LocalNode {
  readonly id: string;
  info(): NodeInfo;
  /** Users of the platform with a socket here. Looks at every socket. */
  users(): number;
  load(namespace: string): NamespaceLoad;
  /** The sockets after one, in the order of their ids. @returns up to `limit` and one more */
  connections(range: PageRange): NodeConnection[];
  /** Details of some sockets. Those that are gone are missing. */
  details(socketIds: readonly string[]): SocketDetails[];
  /** Begins to disconnect all clients and accepts none. Idempotent. @returns the number of sockets */
  drain(): number;
}

interface Dependencies {
  readonly id: string;
  readonly name: string;
  readonly version: string;
  readonly io: GatewayServer;
  isDraining(): boolean;
  /** Begins it; called once. */
  beginDraining(): void;
}

/** Describes this node, and drains it. */
export function createLocalNode({ id, name, version, io, isDraining, beginDraining }: Dependencies): LocalNode {
  const count = (): number => [...namespacesOf(io).values()].reduce((sum, { sockets }) => sum + sockets.size, 0);
  return {
    id,
    users() {
      const users = new Set<string>();
      for (const { data } of everySocket(io)) if (data.principal.kind === 'user') users.add(data.principal.userId);
      return users.size;
    },
    load(namespace) {
      const sockets = namespacesOf(io).get(namespace)?.sockets ?? new Map<string, GatewaySocket>();
      let waiting = 0;
      for (const { data } of sockets.values()) waiting += data.outbox?.waiting ?? 0;
      return { connections: sockets.size, waiting };
    },
    info: () => ({ name, version, connections: count(), isDraining: isDraining() }),
    connections: ({ after, limit }) => firstOf(everySocket(io), { after, limit: limit + 1 }).map(toConnection),
    details(socketIds) {
      const namespaces = [...namespacesOf(io).values()];
      return socketIds.flatMap((id) => namespaces.flatMap(({ sockets }) => sockets.get(id) ?? [])).map(toDetails);
    },
    drain() {
      const connections = count();
      if (!isDraining()) beginDraining();
      return connections;
    },
  };
}

/** The sockets with the lowest ids after one, without sorting all of a large node. */
function firstOf(sockets: Iterable<GatewaySocket>, { after = '', limit }: PageRange): GatewaySocket[] {
  const first: GatewaySocket[] = [];
  for (const socket of sockets) {
    const last = first.at(-1);
    if (socket.id <= after || (first.length === limit && last !== undefined && socket.id > last.id)) continue;
    const place = first.findIndex(({ id }) => id > socket.id);
    first.splice(place === -1 ? first.length : place, 0, socket);
    if (first.length > limit) first.pop();
  }
  return first;
}

const toConnection = ({ id, nsp, data }: GatewaySocket): NodeConnection => ({
  socketId: id,
  namespace: nsp.name,
  deviceId: data.deviceId,
  connectedAt: new Date(data.connectedAt).toISOString(),
  kind: data.principal.kind,
  userId: userOf(data.principal),
});

const toDetails = ({ id, conn, data: { address, principal } }: GatewaySocket): SocketDetails => ({
  socketId: id,
  address,
  client: {
    transport: conn.transport.name === 'websocket' ? 'websocket' : 'polling',
    userAgent: userAgentOf(conn) ?? null,
  },
  tokenExpiresAt: Number.isFinite(principal.expiresAt) ? new Date(principal.expiresAt).toISOString() : null,
});

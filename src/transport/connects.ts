import { isDeepStrictEqual } from 'node:util';
import type { GatewayServer, GatewaySocket } from '../sockets/socket.js';

/** Times that the sockets of one connection are replaced by a new CONNECT; a client that needs more is not waiting. */
const REPLACEMENTS_MAX = 10;

/** Types of packets, as in the protocol of Socket.IO. */
const CONNECT = 0;
const DISCONNECT = 1;
const CONNECT_ERROR = 4;

type GatewayNamespace = ReturnType<GatewayServer['of']>;
type Admit = GatewayNamespace['_add'];
type Client = Parameters<Admit>[0];

interface Packet {
  readonly type: number;
  readonly nsp: string;
  readonly data?: unknown;
}

const watched = Symbol('its packets are looked at first');

/** What Socket.IO's client of a connection keeps to itself. */
interface ClientInternals {
  [watched]?: boolean;
  readonly conn: GatewaySocket['conn'];
  readonly decoder: {
    on(event: 'decoded', listener: (packet: Packet) => void): void;
    off(event: 'decoded', listener: (packet: Packet) => void): void;
  };
  readonly nsps: ReadonlyMap<string, GatewaySocket>;
  ondecoded(packet: Packet): void;
  _parseNamespace(packet: Packet): { namespace: string };
  close(): void;
}

const internalsOf = (client: Client): ClientInternals => client as unknown as ClientInternals;

/** What Socket.IO does with a packet. */
function handOver(internals: ClientInternals, packet: Packet): void {
  const { ondecoded } = Object.getPrototypeOf(internals) as Pick<ClientInternals, 'ondecoded'>;
  ondecoded.call(internals, packet);
}

/** A CONNECT that is being looked at. */
interface Pending {
  readonly auth: Parameters<Admit>[1];
  /** The client has not taken it back since. */
  isWanted: boolean;
  /** The last of those that came since. */
  next: Attempt | undefined;
}

interface Attempt {
  readonly auth: Parameters<Admit>[1];
  readonly connected: Parameters<Admit>[2];
}

/** Lets each connection enter each namespace once. */
export interface Connects {
  /** From now on CONNECTs for this namespace are taken one at a time. */
  guard(namespace: GatewayNamespace): void;
  /** Whether the client still waits for the socket that was let in or refused. */
  isWanted(socket: GatewaySocket): boolean;
  /** Takes the next CONNECT. To be called when the one of this socket has been answered, or dropped. */
  settle(socket: GatewaySocket): void;
  /** Whether a CONNECT of the connection is being looked at. */
  isEntering(connection: GatewaySocket['conn']): boolean;
}

/**
 * Socket.IO makes a socket for each CONNECT, and nothing tells its client which one an answer is for. Clients do send several
 * on an open connection: `connect(); disconnect(); connect()` sends two and nothing in between, because a client that is
 * not connected yet has nothing to disconnect from.
 *
 * So there is one at a time. A further one with the same credentials waits for the same answer; with others it takes the
 * place of the first, without an event. A DISCONNECT takes back what it follows. A CONNECT for a namespace that the
 * client is in means that it did not hear so, and begins anew.
 */
export function createConnects(): Connects {
  const entering = new WeakMap<object, Map<string, Pending>>();
  const replacements = new WeakMap<object, number>();
  const pendingOf = (connection: object, name: string): Pending | undefined => entering.get(connection)?.get(name);

  const take = (internals: ClientInternals, packet: Packet): void => {
    const { conn, nsps } = internals;
    const { namespace: name } = internals._parseNamespace(packet);
    const pending = pendingOf(conn, name);
    const socket = nsps.get(name);
    if (pending !== undefined && packet.type === DISCONNECT) {
      pending.isWanted = false;
      pending.next = undefined;
    } else if (socket !== undefined && packet.type === CONNECT) {
      const count = (replacements.get(conn) ?? 0) + 1;
      replacements.set(conn, count);
      if (count > REPLACEMENTS_MAX) {
        internals.close();
      } else {
        socket._onclose('client namespace disconnect');
        handOver(internals, packet);
      }
    } else {
      handOver(internals, packet);
    }
  };

  /** Puts itself in the place of Socket.IO's own listener, so that an idle connection costs no more than before. */
  const watch = (client: Client): void => {
    const internals = internalsOf(client);
    if (internals[watched] === true) return;
    internals[watched] = true;
    internals.decoder.off('decoded', internals.ondecoded);
    internals.ondecoded = (packet) => take(internals, packet);
    internals.decoder.on('decoded', internals.ondecoded);
  };

  const admits = new Map<string, Admit>();
  const begin = (client: Client, name: string, { auth, connected }: Attempt): void => {
    const { conn } = internalsOf(client);
    const own = entering.get(conn) ?? new Map<string, Pending>();
    entering.set(conn, own.set(name, { auth, isWanted: true, next: undefined }));
    void admits.get(name)?.(client, auth, connected);
  };

  return {
    guard(namespace) {
      const { name } = namespace;
      admits.set(name, namespace._add.bind(namespace));
      namespace._add = async (client, auth, connected) => {
        watch(client);
        const pending = pendingOf(internalsOf(client).conn, name);
        if (pending === undefined) return begin(client, name, { auth, connected });
        if (pending.isWanted && isDeepStrictEqual(pending.auth, auth)) return;
        pending.isWanted = false;
        pending.next = { auth, connected };
      };
    },
    isWanted: ({ conn, nsp }) => pendingOf(conn, nsp.name)?.isWanted !== false,
    settle({ client, conn, nsp }) {
      const next = pendingOf(conn, nsp.name)?.next;
      const own = entering.get(conn);
      own?.delete(nsp.name);
      if (own?.size === 0) entering.delete(conn);
      if (next !== undefined && conn.readyState === 'open') begin(client, nsp.name, next);
    },
    isEntering: (connection) => entering.has(connection),
  };
}

/** Socket.IO refuses unknown namespaces by itself, and in words of its own: here they become the gateway's. */
export function wordUnknownNamespaces(io: GatewayServer, data: { message: string; data: unknown }): void {
  const { encoder } = io as unknown as { encoder: { encode(packet: Packet): unknown } };
  const encode = encoder.encode.bind(encoder);
  encoder.encode = (packet) => encode(isUnknownNamespace(packet) ? { ...packet, data } : packet);
}

const UNKNOWN_NAMESPACE = 'Invalid namespace';

/** Refusals of the gateway itself have data beside their words. */
function isUnknownNamespace({ type, data }: Packet): boolean {
  if (type !== CONNECT_ERROR) return false;
  const { message, data: more } = data as { message?: unknown; data?: unknown };
  return message === UNKNOWN_NAMESPACE && more === undefined;
}

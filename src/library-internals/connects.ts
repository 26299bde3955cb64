import { isDeepStrictEqual } from 'node:util';
import type { Namespace, Socket } from 'socket.io';
import type { UsefulPackets } from './flood-brake.js';

/** How often a new CONNECT can replace a pending one on a connection. */
const REPLACEMENTS_MAX = 10;

/** Packet types of the Socket.IO protocol. */
const CONNECT = 0;
const DISCONNECT = 1;
const ACK = 3;
const CONNECT_ERROR = 4;

type Connection = Socket['conn'];
type Admit = Namespace['_add'];
type Client = Parameters<Admit>[0];

interface Packet {
  readonly type: number;
  readonly nsp: string;
  readonly id?: number;
  readonly data?: unknown;
}

const owner = Symbol('the client whose packets are looked at first');

/** The decoder of a client, which is `this` in its listeners. */
interface Decoder {
  [owner]?: ClientInternals;
  on(event: 'decoded', listener: (this: Decoder, packet: Packet) => void): void;
  off(event: 'decoded', listener: (this: Decoder, packet: Packet) => void): void;
}

/** Private parts of Socket.IO's `Client`. Their presence is checked; without them Socket.IO takes each packet itself. */
interface ClientInternals {
  readonly conn: Connection;
  readonly decoder: Decoder;
  readonly nsps: ReadonlyMap<string, Socket>;
  ondecoded: (this: Decoder, packet: Packet) => void;
  _parseNamespace(packet: Packet): { namespace: string };
  close(): void;
}

/** What {@link Connects} replaces or calls. */
const METHODS = ['ondecoded', '_parseNamespace', 'close'] as const;

const isComplete = (internals: ClientInternals): boolean =>
  METHODS.every((name) => typeof internals[name] === 'function') &&
  internals.nsps instanceof Map &&
  typeof internals.decoder?.off === 'function';

const internalsOf = (client: Client): ClientInternals => client as unknown as ClientInternals;

/** Whether a socket waits for an acknowledgement. */
const isAskedFor = (socket: object, { id = -1 }: Packet): boolean =>
  (socket as { acks?: ReadonlyMap<number, unknown> }).acks?.has(id) !== false;

/** Socket.IO's listener for packets. */
function handOver(internals: ClientInternals, packet: Packet): void {
  const { ondecoded } = Object.getPrototypeOf(internals) as { ondecoded(packet: Packet): void };
  ondecoded.call(internals, packet);
}

/** A pending CONNECT. */
interface Pending {
  readonly auth: Parameters<Admit>[1];
  /** The client has not sent a DISCONNECT since. */
  isWanted: boolean;
  /** The last CONNECT with other credentials that arrived since. */
  next: Attempt | undefined;
}

interface Attempt {
  readonly auth: Parameters<Admit>[1];
  readonly connected: Parameters<Admit>[2];
}

/** A socket whose CONNECT is pending. */
type Entering = Pick<Socket, 'client' | 'conn'> & { readonly nsp: { readonly name: string } };

/** Serializes the CONNECTs of each connection and namespace. */
export interface Connects {
  /** Processes CONNECTs for this namespace one at a time from now on. */
  guard(namespace: Pick<Namespace, 'name' | '_add'>): void;
  /** Whether the client still waits for the answer to the CONNECT of this socket. */
  isWanted(socket: Entering): boolean;
  /** Processes the next CONNECT. To be called when that of this socket was answered or dropped. */
  settle(socket: Entering): void;
  /** Whether a CONNECT of the connection is pending. */
  isEntering(connection: Connection): boolean;
}

/**
 * Socket.IO creates a socket for each CONNECT, and its client does not know which one a reply belongs to. Clients do send
 * several on one connection: `connect(); disconnect(); connect()` sends two CONNECTs and no DISCONNECT, because a client that
 * is not connected yet does not send one.
 *
 * So one CONNECT is processed at a time. Another one with the same credentials waits for the same reply; with other
 * credentials it replaces the first, silently. A DISCONNECT cancels the CONNECT before it. A CONNECT for a namespace that the
 * client is already in means that it missed the reply, and starts over.
 */
export function createConnects(usefulPackets: UsefulPackets): Connects {
  const entering = new WeakMap<object, Map<string, Pending>>();
  const replacements = new WeakMap<object, number>();
  const pendingOf = (connection: object, name: string): Pending | undefined => entering.get(connection)?.get(name);

  const creditIfAskedFor = (socket: Pick<Socket, 'conn'>, packet: Packet): void => {
    if (isAskedFor(socket, packet)) usefulPackets.credit(socket.conn);
  };
  const take = (internals: ClientInternals, packet: Packet): void => {
    const { conn, nsps } = internals;
    const { namespace: name } = internals._parseNamespace(packet);
    const pending = pendingOf(conn, name);
    const socket = nsps.get(name);
    // Just before Socket.IO reads it, on the next tick. Each acknowledgement is requested once.
    if (packet.type === ACK && socket !== undefined) process.nextTick(creditIfAskedFor, socket, packet);
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

  // Shared by all connections, to save a closure for each idle one.
  function look(this: Decoder, packet: Packet): void {
    if (this[owner] !== undefined) take(this[owner], packet);
  }
  /** Replaces Socket.IO's own listener, so that an idle connection needs no additional memory. */
  const watch = (internals: ClientInternals): void => {
    const { decoder } = internals;
    if (!isComplete(internals) || decoder[owner] !== undefined) return;
    decoder[owner] = internals;
    decoder.off('decoded', internals.ondecoded);
    internals.ondecoded = look;
    decoder.on('decoded', look);
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
      if (typeof namespace._add !== 'function') return;
      admits.set(name, namespace._add.bind(namespace));
      namespace._add = async (client, auth, connected) => {
        watch(internalsOf(client));
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

/** How unknown namespaces are refused. */
interface UnknownNamespaces {
  /** The refusal. */
  readonly data: { readonly message: string; readonly data: unknown };
  /** Called with the name that a client asked for. */
  refused(name: string): void;
}

/** Replaces Socket.IO's own refusal of unknown namespaces by the gateway's. */
export function wordUnknownNamespaces(io: object, { data, refused }: UnknownNamespaces): void {
  const { encoder } = io as { encoder?: { encode(packet: Packet): unknown } };
  if (encoder === undefined) return;
  const encode = encoder.encode.bind(encoder);
  encoder.encode = (packet) => {
    if (!isUnknownNamespace(packet)) return encode(packet);
    refused(packet.nsp);
    return encode({ ...packet, data });
  };
}

const UNKNOWN_NAMESPACE = 'Invalid namespace';

/** Only refusals of the gateway have data. */
function isUnknownNamespace({ type, data }: Packet): boolean {
  if (type !== CONNECT_ERROR) return false;
  const { message, data: more } = data as { message?: unknown; data?: unknown };
  return message === UNKNOWN_NAMESPACE && more === undefined;
}

/**
 * Types of the gateway's sockets and server, and iterators over the sockets of this node. All code that handles sockets
 * depends on this file.
 */
import type { Server, Socket } from 'socket.io';
import type { Principal } from '../auth/principal.js';
import { namespacesOf } from '../library-internals/server-state.js';

type None = Record<never, never>;

/** State of one socket, in `socket.data`. Folders above declare the fields that they add, where they use them. */
export interface SocketState {
  principal: Principal;
  /** Key of the client's network address. Identifies the client in namespaces without authentication. */
  address: string;
  /** The user's device; `''` when the client sends none. */
  deviceId: string;
  /** The client asked for the ids of durable messages. */
  wantsDeliveryIds: boolean;
  /** Unix time in milliseconds. */
  connectedAt: number;
  /** Number of events being handled. */
  inFlight: number;
  /** Called when no event is in flight any more. Set on a connection that is to be closed. */
  onIdle?: () => void;
  /** Whether the client was warned that its token is about to expire. */
  isWarned: boolean;
}

/** A socket of the gateway. Its state is in `data`. */
export type GatewaySocket = Socket<
  Record<string, never>,
  Record<string, (...args: unknown[]) => void>,
  None,
  SocketState
>;

/** The gateway's Socket.IO server; event names and payloads are checked against the contracts, not by these types. */
export type GatewayServer = Server<
  Record<string, never>,
  Record<string, (...args: unknown[]) => void>,
  None,
  SocketState
>;

/** Called synchronously for every socket that connects to or leaves a namespace. */
export interface SocketListener {
  connected(socket: GatewaySocket): void;
  /** @param reason as Socket.IO has it */
  disconnected(socket: GatewaySocket, reason: string): void;
}

/** Every socket of every namespace on this node. */
export function* everySocket(io: GatewayServer): Generator<GatewaySocket> {
  for (const namespace of namespacesOf(io).values()) yield* namespace.sockets.values();
}

/** The sockets of this node in a room of the given namespaces. Called for each durable message and for each acknowledgement. */
export function socketsIn(io: GatewayServer, room: string, namespaces: readonly string[]): GatewaySocket[] {
  const found: GatewaySocket[] = [];
  for (const name of namespaces) {
    const { adapter, sockets } = io.of(name);
    for (const id of adapter.rooms.get(room) ?? NO_IDS) {
      const socket = sockets.get(id);
      if (socket !== undefined) found.push(socket);
    }
  }
  return found;
}

/** How many sockets of this node are in a room of any namespace. Called for each event. */
export function countSockets(io: GatewayServer, room: string): number {
  let count = 0;
  for (const { adapter } of namespacesOf(io).values()) count += adapter.rooms.get(room)?.size ?? 0;
  return count;
}

const NO_IDS: readonly string[] = [];

import type { Metrics } from '../platform/metrics.js';
import type { GatewayServer } from '../transport/socket.js';
import { rooms } from './rooms.js';

/** Where an event goes: a room, or without one everybody, on each of the namespaces. */
export interface Target {
  readonly namespaces: readonly string[];
  readonly room?: string;
  /** Not to this socket. */
  readonly exceptSocketId?: string;
}

/** An event as it leaves. */
export interface OutgoingEvent {
  readonly event: string;
  readonly payload: unknown;
}

/** The only way an event reaches a room: on this node at once, on the others over the adapter. */
export interface Emitter {
  /** @returns sockets reached on this node; other nodes may have reached more */
  emit(target: Target, outgoing: OutgoingEvent): number;
  /** Ends every connection of a user, on every node. */
  disconnectUser(userId: string, namespaces: readonly string[]): void;
}

/** The only caller of `io.to`. */
export function createEmitter(io: GatewayServer, metrics: Metrics): Emitter {
  return {
    emit({ namespaces, room, exceptSocketId }, { event, payload }) {
      let reached = 0;
      for (const name of namespaces) {
        const namespace = io.of(name);
        const everyone = room === undefined ? namespace.compress(false) : namespace.to(room);
        const operator = exceptSocketId === undefined ? everyone : everyone.except(exceptSocketId);
        operator.emit(event, payload);
        const members = room === undefined ? namespace.sockets : namespace.adapter.rooms.get(room);
        const isExcepted = exceptSocketId !== undefined && (members?.has(exceptSocketId) ?? false);
        const here = (members?.size ?? 0) - (isExcepted ? 1 : 0);
        metrics.emits.inc({ namespace: name });
        metrics.deliveries.inc({ namespace: name }, here);
        reached += here;
      }
      return reached;
    },
    disconnectUser(userId, namespaces) {
      for (const name of namespaces) io.of(name).in(rooms.user(userId)).disconnectSockets(true);
    },
  };
}

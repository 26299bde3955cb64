import type { Metrics } from '../platform/metrics.js';
import type { GatewayServer } from '../sockets/socket.js';

/** Where an event goes: rooms, or without any everybody, on each of the namespaces. */
export interface Target {
  readonly namespaces: readonly string[];
  /** A socket in several of them gets the event once. */
  readonly rooms?: readonly string[];
  /** Not to this socket. */
  readonly exceptSocketId?: string;
  /** Not to the sockets in this room, or in any of these. */
  readonly exceptRoom?: string | readonly string[];
  /** Only on this node. */
  readonly isLocal?: boolean;
}

/** An event as it leaves. */
export interface OutgoingEvent {
  readonly event: string;
  /** Its one argument. */
  readonly payload?: unknown;
  /** All of its arguments, where there may be none or several. */
  readonly args?: readonly unknown[];
}

/** The only way an event reaches a room: on this node at once, on the others over the adapter unless it is local. */
export interface Emitter {
  /** @returns sockets reached on this node; other nodes may have reached more */
  emit(target: Target, outgoing: OutgoingEvent): number;
  /** Puts the sockets of a target into a room, on every node. Only after a service has decided that they may read it. */
  admit(target: Target, room: string): void;
  /** Takes the sockets of a target out of a room, on every node. */
  evict(target: Target, room: string): void;
  /** Ends the connections of the sockets of a target, on every node. */
  disconnect(target: Target): void;
}

/** The only caller of `io.to`. */
export function createEmitter(io: GatewayServer, metrics: Metrics): Emitter {
  /** Socket.IO takes "to no room" for "to everybody"; here no room is nobody. */
  const select = ({ namespaces, rooms, exceptSocketId, exceptRoom, isLocal = false }: Target) => {
    if (rooms?.length === 0) return [];
    const everyone = namespaces.map((name) => {
      const operator = io.of(name).to([...(rooms ?? [])]);
      return isLocal ? operator.local : operator;
    });
    // The room of one socket is named by its id.
    const except = [exceptSocketId, exceptRoom].flat().filter((room) => room !== undefined);
    return except.length === 0 ? everyone : everyone.map((operator) => operator.except(except));
  };

  const countHere = (name: string, { rooms, exceptSocketId, exceptRoom }: Target): number => {
    const { sockets, adapter } = io.of(name);
    const members = rooms === undefined ? sockets : membersOf(rooms, adapter.rooms);
    let left = 0;
    if (exceptSocketId !== undefined && members.has(exceptSocketId)) left += 1;
    if (exceptRoom !== undefined) {
      for (const id of membersOf([exceptRoom].flat(), adapter.rooms))
        if (id !== exceptSocketId && members.has(id)) left += 1;
    }
    return members.size - left;
  };

  return {
    emit(target, { event, payload, args = [payload] }) {
      for (const operator of select(target)) operator.emit(event, ...args);
      let reached = 0;
      for (const name of target.namespaces) {
        const here = countHere(name, target);
        metrics.emits.inc({ namespace: name });
        metrics.deliveries.inc({ namespace: name }, here);
        reached += here;
      }
      return reached;
    },
    admit(target, room) {
      for (const operator of select(target)) operator.socketsJoin(room);
    },
    evict(target, room) {
      for (const operator of select(target)) operator.socketsLeave(room);
    },
    disconnect(target) {
      for (const operator of select(target)) operator.disconnectSockets(true);
    },
  };
}

const NOBODY: ReadonlySet<string> = new Set();

/** The sockets in any of the rooms, each once. Nearly always it is one room, whose own set does. */
function membersOf(rooms: readonly string[], known: ReadonlyMap<string, ReadonlySet<string>>): ReadonlySet<string> {
  const [first = '', ...others] = rooms;
  const members = known.get(first) ?? NOBODY;
  if (others.length === 0) return members;
  return new Set([...members, ...others.flatMap((room) => [...(known.get(room) ?? NOBODY)])]);
}

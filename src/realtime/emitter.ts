import { gatherBroadcasts } from '../library-internals/redis-adapter.js';
import { joinWrites } from '../library-internals/text-frames.js';
import type { Metrics } from '../platform/metrics.js';
import type { GatewayServer } from '../sockets/socket.js';

/** Where an event is sent: to rooms, or to all sockets when there are none, of each namespace. */
export interface Target {
  readonly namespaces: readonly string[];
  /** A socket in several rooms gets the event once. */
  readonly rooms?: readonly string[];
  /** This socket is left out. */
  readonly exceptSocketId?: string;
  /** Sockets in any of these rooms are left out. */
  readonly exceptRoom?: string | readonly string[];
  /** Only to sockets of this node. */
  readonly isLocal?: boolean;
}

/** An event to clients. */
export interface OutgoingEvent {
  readonly event: string;
  /** The only argument. */
  readonly payload?: unknown;
  /** All arguments, where there can be none or several. */
  readonly args?: readonly unknown[];
}

/** The only way to send to rooms: on this node at once, on the other nodes through the adapter unless the target is local. */
export interface Emitter {
  /** @returns sockets reached on this node; other nodes may reach more */
  emit(target: Target, outgoing: OutgoingEvent): number;
  /** What `work` emits in its synchronous part is one message to the other nodes for each namespace, and one write to each client. */
  together<T>(work: () => T): T;
  /** How many sockets of this node are in a room. */
  sizeHere(namespaces: readonly string[], room: string): number;
  /** The sockets of a target leave a room, on every node. */
  leaveRoom(target: Target, room: string): void;
  /** Closes the connections of the sockets of a target, on every node. */
  disconnect(target: Target): void;
}

/** The only caller of `io.to`. */
export function createEmitter(io: GatewayServer, metrics: Metrics): Emitter {
  /** For Socket.IO an empty list of rooms means all sockets; here it means none. */
  const select = ({ namespaces, rooms, exceptSocketId, exceptRoom, isLocal = false }: Target) => {
    if (rooms?.length === 0) return [];
    const operators = namespaces.map((name) => {
      const operator = io.of(name).to([...(rooms ?? [])]);
      return isLocal ? operator.local : operator;
    });
    // Every socket is in a room that has its id as name.
    const except = [exceptSocketId, exceptRoom].flat().filter((room) => room !== undefined);
    return except.length === 0 ? operators : operators.map((operator) => operator.except(except));
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
      const operators = select(target);
      const send = (): void => {
        for (const operator of operators) operator.emit(event, ...args);
      };
      if (operators.length > 1 && target.isLocal !== true) gatherBroadcasts(io, send);
      else send();
      let reached = 0;
      for (const name of target.namespaces) {
        const here = countHere(name, target);
        metrics.emits.inc({ namespace: name });
        metrics.deliveries.inc({ namespace: name }, here);
        reached += here;
      }
      return reached;
    },
    together: (work) => joinWrites(() => gatherBroadcasts(io, work)),
    sizeHere: (namespaces, room) =>
      namespaces.reduce((size, name) => size + (io.of(name).adapter.rooms.get(room)?.size ?? 0), 0),
    leaveRoom(target, room) {
      for (const operator of select(target)) operator.socketsLeave(room);
    },
    disconnect(target) {
      for (const operator of select(target)) operator.disconnectSockets(true);
    },
  };
}

const NO_SOCKETS: ReadonlySet<string> = new Set();

/** The sockets in any of the rooms, each once. Most targets are one room, whose set is returned as it is. */
function membersOf(rooms: readonly string[], known: ReadonlyMap<string, ReadonlySet<string>>): ReadonlySet<string> {
  const [first = '', ...others] = rooms;
  if (others.length === 0) return known.get(first) ?? NO_SOCKETS;
  const members = new Set<string>();
  for (const room of rooms) for (const id of known.get(room) ?? NO_SOCKETS) members.add(id);
  return members;
}

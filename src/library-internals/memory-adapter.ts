import type { Namespace } from 'socket.io';

/** Whether a socket of this node is in any of the rooms. Checking costs less than encoding an event for no socket. */
export function hasAny(known: ReadonlyMap<string, unknown>, rooms: Iterable<string>): boolean {
  for (const room of rooms) if (known.has(room)) return true;
  return false;
}

/** The adapter of Socket.IO encodes an event before it checks for receivers. This makes it check first. */
export function lookBeforeEncoding({ adapter }: Pick<Namespace, 'adapter'>): void {
  const { broadcast } = adapter;
  adapter.broadcast = (packet, options) => {
    const { rooms } = options;
    if (rooms.size === 0 || hasAny(adapter.rooms, rooms)) broadcast.call(adapter, packet, options);
  };
}

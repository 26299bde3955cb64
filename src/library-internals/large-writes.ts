/** Packets from this size on are counted, in characters. */
const LARGE = 65_536;
/** Characters of large packets that are written in one event loop iteration: the system copies them within milliseconds. */
const TURN_MAX = 8_388_608;

/** Large packets of one event loop iteration. */
interface LargeWrites<Connection> {
  /**
   * Whether a packet may be written in this iteration. If not, the connection waits, and is flushed in one of the next
   * iterations.
   */
  mayWrite(connection: Connection, size: number): boolean;
  /** Flushes a connection that waits, because another large packet follows: it holds no more than one for this reason. */
  endWait(connection: Connection, nextSize: number): void;
}

/**
 * Spreads large packets over event loop iterations. An event of a megabyte to a thousand sockets is a gigabyte that the system
 * copies. In a single iteration it would block all other clients and calls. Small packets cost a comparison.
 *
 * @param flush writes what waits of a connection
 */
export function createLargeWrites<Connection>(flush: (connection: Connection) => void): LargeWrites<Connection> {
  /** connection → size; in the order of their turns */
  const waiting = new Map<Connection, number>();
  let written = 0;

  const count = (size: number): void => {
    if (written === 0) setImmediate(beginTurn);
    written += size;
  };
  const beginTurn = (): void => {
    written = 0;
    for (const [connection, size] of waiting) {
      if (written >= TURN_MAX) return;
      waiting.delete(connection);
      count(size);
      flush(connection);
    }
  };

  return {
    mayWrite(connection, size) {
      if (size < LARGE) return true;
      if (written >= TURN_MAX) {
        waiting.set(connection, size);
        return false;
      }
      count(size);
      return true;
    },
    endWait(connection, nextSize) {
      if (nextSize >= LARGE && waiting.delete(connection)) flush(connection);
    },
  };
}

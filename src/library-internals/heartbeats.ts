import type { Clock } from '../platform/time/clock.js';
import { createDeadlines } from '../platform/time/deadlines.js';

/** The used parts of an Engine.IO connection. */
interface Connection {
  /** Private: sends the next ping, and is restarted by each pong. `null` for old clients, which send the pings. */
  pingIntervalTimer?: Timer | null;
  on(event: 'close', listener: (this: Connection) => void): void;
}

interface Timer {
  /** Private to Node.js. */
  readonly _onTimeout?: () => void;
  refresh(): unknown;
}

/** How much earlier a heartbeat is sent to be sent with another one: a share of the interval, and a maximum. */
const EARLY_SHARE = 0.01;
const EARLY_MAX_MS = 100;

interface Options {
  readonly intervalMs: number;
  /** Must not jump. */
  readonly clock: Clock;
  /** A heartbeat is about to be sent. */
  readonly onSend: (connection: object) => void;
}

/**
 * Sends heartbeats together that are due one shortly after the other. Engine.IO has a timer for each connection, and the process
 * wakes for each heartbeat, which costs several times as much as the heartbeat itself. Where a private part is missing, a
 * connection keeps its timer.
 *
 * @returns takes over the heartbeats of a new connection
 */
export function createHeartbeats({ intervalMs, clock, onSend }: Options): (connection: object) => void {
  const togetherMs = Math.min(EARLY_MAX_MS, intervalMs * EARLY_SHARE);
  const due = createDeadlines<Heartbeat>({ clock, timeoutMs: intervalMs, togetherMs }, ({ connection, send }) => {
    onSend(connection);
    send();
  });

  /** In the place of a timer. */
  class Heartbeat implements Timer {
    readonly connection: Connection;
    readonly send: () => void;

    constructor(connection: Connection, send: () => void) {
      this.connection = connection;
      this.send = send;
    }

    refresh(): void {
      due.end(this);
      due.begin(this);
    }
  }

  // Shared by all connections, to save a closure for each idle one.
  function end(this: Connection): void {
    if (this.pingIntervalTimer instanceof Heartbeat) due.end(this.pingIntervalTimer);
  }

  return function takeHeartbeats(connection) {
    const own = connection as Connection;
    const timer = own.pingIntervalTimer;
    const send = timer?._onTimeout;
    if (typeof send !== 'function') return;
    clearTimeout(timer as NodeJS.Timeout);
    const heartbeat = new Heartbeat(own, send);
    own.pingIntervalTimer = heartbeat;
    heartbeat.refresh();
    own.on('close', end);
  };
}

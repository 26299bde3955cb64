import { cutConnection } from '../../library-internals/cut-connection.js';
import { closeGoingAway } from '../../library-internals/going-away.js';
import type { Logger } from '../../platform/logging/logger.js';
import type { Metrics } from '../../platform/metrics.js';
import type { Clock } from '../../platform/time/clock.js';
import { createDeadlines } from '../../platform/time/deadlines.js';
import type { GatewaySocket } from '../../sockets/socket.js';

type Connection = GatewaySocket['conn'];

/** Closes connections that are in no namespace for too long. */
export interface ConnectDeadline {
  /** The connection is in no namespace from now on. */
  begin(connection: Connection): void;
  /** It has entered a namespace. */
  end(connection: Connection): void;
}

/** Time limit for an orderly close. */
const FAREWELL_MS = 1000;

interface Dependencies {
  /** How long a connection can be in no namespace. */
  timeoutMs: number;
  clock: Clock;
  logger: Pick<Logger, 'warn'>;
  metrics: Pick<Metrics, 'connectionsEnded'>;
}

/** A connection that does not close in order is cut a second later. */
export function createConnectDeadline({ timeoutMs, clock, logger, metrics }: Dependencies): ConnectDeadline {
  const deadlines = createDeadlines<Connection>({ clock, timeoutMs }, (connection) => {
    connection.off('close', forget);
    metrics.connectionsEnded.inc({ reason: 'no_namespace' });
    logger.warn('a connection was closed: it has entered no namespace for CONNECT_TIMEOUT_MS');
    closeGoingAway(connection);
    clock.after(FAREWELL_MS, () => cutConnection(connection));
  });
  // Shared by all connections. Attached only while a connection is in no namespace.
  function forget(this: Connection): void {
    deadlines.end(this);
  }
  const end = (connection: Connection): void => {
    connection.off('close', forget);
    deadlines.end(connection);
  };
  return {
    begin(connection) {
      if (connection.readyState === 'closing' || connection.readyState === 'closed') return;
      end(connection);
      connection.on('close', forget);
      deadlines.begin(connection);
    },
    end,
  };
}

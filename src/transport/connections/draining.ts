import type { Machine } from '../../framework/machine.js';
import { connectionsOf } from '../../library-internals/server-state.js';
import type { Health } from '../../platform/health.js';
import type { Logger } from '../../platform/logging/logger.js';
import type { Clock } from '../../platform/time/clock.js';
import type { GatewayServer } from '../../sockets/socket.js';
import { drainConnections } from './drain-connections.js';

interface Dependencies {
  /** Time over which clients are disconnected. Read when that begins. */
  readonly drain: { readonly durationMs: number };
  readonly clock: Clock;
  readonly logger: Logger;
  readonly health: Health;
  readonly machine: Machine;
}

/** What a node does before it stops, or when an operator asks for it: it takes no clients, and disconnects its own. */
export interface Draining {
  /** Stops accepting connections when others behind the port go on. Idempotent. */
  leavePort(): Promise<void>;
  /** Reports that this node is draining, by which load balancers and clients avoid it. */
  begin(): void;
  /** Disconnects all clients in waves. */
  disconnectAll(): Promise<void>;
  /** The three steps, once. */
  all(): Promise<void>;
  /** @param stop stops accepting connections */
  stopsAcceptingBy(stop: () => Promise<void>): void;
}

/** Creates the steps by which a node gives up its clients. */
export function createDraining(io: GatewayServer, { drain, clock, logger, health, machine }: Dependencies): Draining {
  let stopAccepting = async (): Promise<void> => undefined;
  let leaving: Promise<void> | undefined;
  let drained: Promise<void> | undefined;
  const leavePort = (): Promise<void> => {
    leaving ??= machine.leave(() => stopAccepting());
    return leaving;
  };
  const begin = (): void => {
    health.beginDraining();
    logger.info({ connections: connectionsOf(io).length }, 'draining');
  };
  const disconnectAll = async (): Promise<void> => {
    const startedAt = performance.now();
    const { durationMs } = drain;
    // A load balancer that asks for readiness sends calls until it has asked again, also when there are no connections.
    const minMs = health.isPolled() ? durationMs : 0;
    await drainConnections(io, { clock, durationMs, minMs });
    logger.info({ durationMs: Math.round(performance.now() - startedAt) }, 'drained');
  };
  const drainAll = async (): Promise<void> => {
    // First, so that other workers get new connections and none is refused.
    await leavePort();
    begin();
    await disconnectAll();
  };
  return {
    leavePort,
    begin,
    disconnectAll,
    all() {
      drained ??= drainAll();
      return drained;
    },
    stopsAcceptingBy(stop) {
      stopAccepting = stop;
    },
  };
}

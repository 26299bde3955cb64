import type { PeerCounts } from '../platform/peer-counts.js';

/** The gateways behind one port, as seen by one of them. A process without workers is the only one. */
export interface Machine {
  /** Names of what is missing for readiness, at any of those that accept connections. */
  missing(): Promise<readonly string[]>;
  /** Metrics of all of them together, in the text format of Prometheus. */
  metrics(): Promise<string>;
  /**
   * Called before this gateway drains. While others accept connections it can stop: resolves when it has. Otherwise it stays on
   * the port, to refuse clients with the reason, until another one begins to serve.
   * @param stopAccepting stops accepting connections
   */
  leave(stopAccepting: () => Promise<void>): Promise<void>;
  readonly peers: PeerCounts;
}

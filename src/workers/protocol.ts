import type { Config } from '../config.js';
import type { MetricsSnapshot } from '../platform/metrics.js';
import type { CountChange } from '../platform/peer-counts.js';

/** Calls from the primary to a worker. */
export type WorkerCalls = {
  /** Starts the gateway. Fails with the exit code of the worker. */
  start(settings: StartSettings): Promise<{ port: number }>;
  /** Puts the secrets of a configuration in force. */
  replaceSecrets(config: Config): void;
  /** Stops accepting connections: another worker has begun to, and this one has asked to leave. */
  leavePort(): void;
  /** Counts at the other workers have changed. */
  takeCounts(changes: readonly CountChange[]): void;
  /** Names of what is missing for readiness at this worker. */
  missing(): Promise<string[]>;
  metrics(): Promise<MetricsSnapshot>;
  /** Drains and ends the worker; the answer may be lost. */
  stop(order: StopOrder): void;
};

/** With what a worker starts. It reads no settings itself, so all workers of a primary have the same. */
export interface StartSettings {
  readonly config: Config;
  /** Holds the secrets that are in force by now. */
  readonly secrets: Config;
}

/** How a worker stops. */
export interface StopOrder {
  /** Time over which clients are disconnected. */
  readonly drainMs: number;
  /** Time after which it ends at once. */
  readonly timeoutMs: number;
}

/** Calls from a worker to the primary. */
export type PrimaryCalls = {
  /** This worker takes calls from now on. */
  hello(): void;
  /**
   * This worker is going to drain. @returns whether other workers go on accepting connections; otherwise it stays on the port until
   * it is called with `leavePort`
   */
  leave(): boolean;
  shareCounts(changes: readonly CountChange[]): void;
  /** Names of what is missing at any worker that accepts connections. */
  missing(): Promise<string[]>;
  /** Metrics of all workers, as text. */
  metrics(): Promise<string>;
};

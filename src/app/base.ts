import type { Agent } from 'node:https';
import { fileURLToPath } from 'node:url';
import { createGatewayLogger } from '../config/gateway-logger.js';
import { createLiveSecrets, type LiveSecrets } from '../config/live-secrets.js';
import type { Config } from '../config.js';
import type { Machine } from '../framework/machine.js';
import { type Cleanup, createCleanup } from '../platform/cleanup.js';
import { createHealth, type Health } from '../platform/health.js';
import { boundLog } from '../platform/logging/bounded-log.js';
import type { Logger } from '../platform/logging/logger.js';
import { createMetrics, type Metrics } from '../platform/metrics.js';
import type { StartEmbedded } from '../platform/mongo/connect.js';
import { noPeers } from '../platform/peer-counts.js';
import { type Clock, systemClock, steadyClock as systemSteadyClock } from '../platform/time/clock.js';
import type { OnEmitted } from '../realtime/emitted.js';
import { Traffic } from '../realtime/traffic.js';

/** Replacements, for tests and for workers. */
export interface Overrides {
  clock?: Clock;
  /** Absent: `clock`. */
  steadyClock?: Clock;
  /** Time of the admission of clients, and of its measurement of the event loop. */
  admissionClock?: Clock;
  logger?: Logger;
  /** The gateways behind one port; absent: this one alone. */
  machine?: Machine;
  /** Makes the connections to Google. */
  pushAgent?: Agent;
  /** Starts the embedded database. */
  startEmbedded?: StartEmbedded;
  /** Where the built page of the console is. */
  consoleDirectory?: string;
  /** Called after each event that a backend or a website emitted. */
  onEmitted?: OnEmitted;
}

/** What every part of a gateway uses. Exists before anything connects or listens. */
export interface Base {
  readonly config: Config;
  readonly secrets: LiveSecrets;
  readonly clock: Clock;
  /** For limits of time within this process: it goes on evenly when the date of the machine is set. */
  readonly steadyClock: Clock;
  readonly admissionClock: Clock;
  readonly logger: Logger;
  /** Writes the lines that the logger holds back. */
  readonly flushLog: () => void;
  readonly metrics: Metrics;
  readonly health: Health;
  readonly traffic: Traffic;
  readonly machine: Machine;
  /** Time over which clients are disconnected. */
  readonly drain: { durationMs: number };
  /** Runs in reverse order when the gateway stops. */
  readonly cleanup: Cleanup;
  readonly pushAgent: Agent | undefined;
  readonly startEmbedded: StartEmbedded | undefined;
  readonly onEmitted: OnEmitted;
  readonly consoleDirectories: readonly string[];
}

/** Creates what the parts of a gateway share. Connects and listens to nothing. */
export function createBase(config: Config, overrides: Overrides): Base {
  const clock = overrides.clock ?? systemClock;
  const steadyClock = overrides.steadyClock ?? overrides.clock ?? systemSteadyClock;
  const log = overrides.logger ?? createGatewayLogger(config);
  const { logger, flush } = boundLog(log, clock);
  const metrics = createMetrics();
  const health = createHealth({ metrics, clock: steadyClock });
  return {
    config,
    clock,
    steadyClock,
    logger,
    metrics,
    health,
    flushLog: flush,
    traffic: new Traffic(clock),
    secrets: createLiveSecrets(config),
    cleanup: createCleanup(logger),
    machine: overrides.machine ?? toSingle(health, metrics),
    drain: { durationMs: config.shutdown.drainMs },
    admissionClock: overrides.admissionClock ?? systemSteadyClock,
    pushAgent: overrides.pushAgent,
    startEmbedded: overrides.startEmbedded,
    onEmitted: overrides.onEmitted ?? (() => {}),
    consoleDirectories: overrides.consoleDirectory === undefined ? builtConsole : [overrides.consoleDirectory],
  };
}

/** A gateway that has its port for itself. */
const toSingle = (health: Health, { registry }: Metrics): Machine => ({
  missing: health.missing,
  async metrics() {
    await health.measure();
    return registry.metrics();
  },
  leave: async () => undefined,
  peers: noPeers,
});

/** Beside the compiled code, or, when this file is a source, in the build. */
const builtConsole = ['../console', '../../dist/src/console'].map((path) =>
  fileURLToPath(new URL(path, import.meta.url)),
);

import { type Base, createBase, type Overrides } from './app/base.js';
import { startIntegrations } from './app/integrations.js';
import { openNetwork } from './app/network.js';
import { connectOutside } from './app/outside.js';
import { createRealtime } from './app/realtime.js';
import type { Config } from './config.js';
import type { MetricsSnapshot } from './platform/metrics.js';
import { toStartFailure } from './platform/mongo/errors.js';
import { versions } from './platform/version.js';

/** A gateway: one HTTP server with one Socket.IO server. Several can run in one process. */
export interface App {
  /** Connects to the dependencies, then listens. */
  start(): Promise<{ port: number }>;
  /**
   * Replaces the secrets of users, backends and push sites by those of another configuration; its other settings do not
   * count. Connections whose token is not accepted any more are closed. @returns whether a secret changed
   */
  replaceSecrets(config: Config): boolean;
  /** Names of what is missing for readiness here. */
  missing(): Promise<string[]>;
  /** The metrics of this gateway. */
  metrics(): Promise<MetricsSnapshot>;
  /**
   * Disconnects clients in waves, finishes work in flight, closes everything.
   * @param drainMs time of the waves; absent: that of the configuration
   */
  close(drainMs?: number): Promise<void>;
}

/** Wires a gateway. Nothing connects or listens before `start`. */
export function createApp(config: Config, overrides: Overrides = {}): App {
  const base = createBase(config, overrides);
  const { secrets, health, metrics, cleanup, drain } = base;
  let closing: Promise<void> | undefined;
  return {
    async start() {
      try {
        return await startGateway(base);
      } catch (error) {
        await cleanup.run();
        throw config.storage.mongodbUrl === undefined ? error : toStartFailure(error);
      }
    },
    replaceSecrets: secrets.replace,
    missing: health.missing,
    async metrics() {
      await health.measure();
      return metrics.registry.getMetricsAsJSON();
    },
    close(drainMs = config.shutdown.drainMs) {
      drain.durationMs = drainMs;
      closing ??= closeGateway(base);
      return closing;
    },
  };
}

/** The four steps of a start, each on top of the one before. Each registers how it is undone in `cleanup`. */
async function startGateway(base: Base): Promise<{ port: number }> {
  base.logger.info({ wire: versions.wire, nodejs: process.version }, 'starting');
  const outside = await connectOutside(base);
  const realtime = await createRealtime(base, outside);
  const started = await startIntegrations(base, outside, realtime.context);
  return openNetwork(base, { outside, realtime, ...started });
}

/** Undoes the start, in reverse order. */
async function closeGateway({ cleanup, flushLog, logger }: Base): Promise<void> {
  const startedAt = performance.now();
  await cleanup.run();
  flushLog();
  logger.info({ durationMs: Math.round(performance.now() - startedAt) }, 'stopped');
}

import cluster from 'node:cluster';
import { type App, createApp } from '../app.js';
import { createGatewayLogger } from '../config/gateway-logger.js';
import type { Config } from '../config.js';
import { GatewayError } from '../errors.js';
import type { Machine } from '../framework/machine.js';
import { ignoreOutputErrors } from '../platform/logging/output-errors.js';
import { exitCodes, StartError } from '../platform/start-error.js';
import { systemClock } from '../platform/time/clock.js';
import { createCalls } from './calls.js';
import { createWorkerCounts } from './counts.js';
import type { PrimaryCalls, StartSettings, StopOrder, WorkerCalls } from './protocol.js';

/*
 * The process of a worker: one gateway, which its primary starts and stops. It reads no settings, and ends by itself only when
 * the primary has ended.
 */

ignoreOutputErrors();
// A terminal, and some process managers, send signals to the primary and to all its workers. The primary decides.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => undefined);

let app: App | undefined;
let config: Config | undefined;
let isStopping = false;
/** Set when this worker wants to leave the port. */
let leavePort: (() => Promise<void>) | undefined;

const counts = createWorkerCounts(systemClock, (changes) => {
  void primary.call('shareCounts', changes).catch(() => undefined);
});

const machine: Machine = {
  missing: () => primary.call('missing', undefined).catch(() => ['draining']),
  metrics: () =>
    primary.call('metrics', undefined).catch((cause: unknown) => {
      throw new GatewayError('UNAVAILABLE', {}, { cause });
    }),
  async leave(stopAccepting) {
    leavePort = stopAccepting;
    if (await primary.call('leave', undefined).catch(() => false)) await stopAccepting();
  },
  peers: counts,
};

async function start({ config: given, secrets }: StartSettings): Promise<{ port: number }> {
  config = given;
  const logger = createGatewayLogger(config);
  process.on('uncaughtExceptionMonitor', (err) => logger.fatal({ err }, 'the process crashed'));
  app = createApp(config, { logger, machine });
  app.replaceSecrets(secrets);
  try {
    return await app.start();
  } catch (error) {
    if (!isStopping) {
      if (!(error instanceof StartError)) logger.fatal({ err: error }, 'the start failed');
      // After the answer, which has the reason.
      setImmediate(() => process.exit(error instanceof StartError ? error.exitCode : exitCodes.FAILED));
    }
    throw error;
  }
}

function stop({ drainMs, timeoutMs }: StopOrder): void {
  if (isStopping) return;
  isStopping = true;
  if (app === undefined) process.exit(exitCodes.STOPPED);
  setTimeout(() => process.exit(exitCodes.FAILED), timeoutMs).unref();
  app.close(drainMs).then(
    () => process.exit(exitCodes.STOPPED),
    () => process.exit(exitCodes.FAILED),
  );
}

const calls: WorkerCalls = {
  start,
  stop,
  replaceSecrets: (next) => void app?.replaceSecrets(next),
  leavePort: () => void leavePort?.(),
  takeCounts: (changes) => counts.take(changes),
  missing: async () => (await app?.missing()) ?? [],
  metrics: async () => (await app?.metrics()) ?? [],
};

const primary = createCalls<PrimaryCalls>(
  {
    send: (message) => process.connected && process.send?.(message) === true,
    onMessage: (listener) => void process.on('message', listener),
  },
  calls,
);

// Until the first call nothing else keeps the process alive.
process.channel?.ref();
void primary.call('hello', undefined).catch(() => undefined);

cluster.worker?.once('disconnect', () => {
  // Otherwise the process would end at once.
  if (cluster.worker !== undefined) cluster.worker.exitedAfterDisconnect = true;
  primary.end({ message: 'The primary has ended' });
  stop(config?.shutdown ?? { drainMs: 0, timeoutMs: 1 });
});

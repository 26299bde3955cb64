import { closeSync, openSync } from 'node:fs';
import type { App } from './app.js';
import { createGatewayLogger } from './config/gateway-logger.js';
import { createReload } from './config/reload.js';
import { type Config, ConfigError, readSettings } from './config.js';
import type { Logger } from './platform/logging/logger.js';
import { exitCodes, StartError } from './platform/start-error.js';
import { systemClock } from './platform/time/clock.js';
import { versions } from './platform/version.js';

/**
 * A further signal within this time belongs to the first one: Ctrl-C reaches the whole process group, and npm and other
 * launchers pass on what they get as well.
 */
const SAME_SIGNAL_MS = 1000;

/** Tells a developer where the gateway is, and where to begin. */
function greet(port: number, { console: { isOn } }: Config): void {
  const address = `http://localhost:${port}`;
  const next = isOn
    ? `see a message arrive: ${address}/console/try`
    : 'get a token: npm run token -- --uid 64abc123def --scope conversation';
  process.stdout.write(`General Socket ${versions.version} listens on ${address}; ${next}\n`);
}

/** What this process runs: a gateway, or the primary of several. */
type Gateway = Pick<App, 'start' | 'replaceSecrets' | 'close'>;

interface GatewayOptions {
  readonly logger: Logger;
  /** Called when all workers have ended. */
  readonly onGivenUp: (error: StartError) => void;
}

/** Loads only what this process needs: a primary serves no client. */
async function createGateway(config: Config, { logger, onGivenUp }: GatewayOptions): Promise<Gateway> {
  if (config.workers === 1) {
    const { createApp } = await import('./app.js');
    return createApp(config, { logger });
  }
  const [{ createPrimary }, { prepareFork }] = await Promise.all([
    import('./workers/primary.js'),
    import('./workers/fork.js'),
  ]);
  const primary = createPrimary(config, { fork: prepareFork(logger), clock: systemClock, logger, onGivenUp });
  // Workers that are left when a stop takes too long. When the primary crashes they drain by themselves.
  process.on('exit', primary.killIfStopping);
  return primary;
}

/** Runs a gateway, or the primary of several, until a signal ends the process. @throws StartError */
export async function run(): Promise<void> {
  // As it was at the start: a `.env` that changes later must not lose to its own former values.
  const sources = { env: { ...process.env }, envFile: '.env' };
  const started = readSettings(sources);
  const { config } = started;
  if (config === undefined) throw new ConfigError(started);
  // Libraries read settings of their own from the environment.
  for (const [name, value] of Object.entries(started.lines)) process.env[name] ??= value;
  const logger = createGatewayLogger(config);
  process.on('uncaughtExceptionMonitor', (err) => logger.fatal({ err }, 'the process crashed'));
  for (const reason of started.warnings) logger.warn({ reason }, 'settings: unknown setting');
  const onGivenUp = ({ exitCode }: StartError): void => stop(() => process.exit(exitCode));
  const gateway = await createGateway(config, { logger, onGivenUp });
  const { replaceSecrets } = gateway;
  const reload = createReload({ sources, started, replaceSecrets, clock: systemClock, logger });
  let stoppingSinceMs: number | undefined;
  const stop = (end: (code: number) => void = process.exit): void => {
    const nowMs = performance.now();
    if (stoppingSinceMs !== undefined) {
      // A second one ends the process at once, as does the time limit.
      if (nowMs - stoppingSinceMs >= SAME_SIGNAL_MS) process.exit(exitCodes.FAILED);
      return;
    }
    stoppingSinceMs = nowMs;
    setTimeout(() => end(exitCodes.FAILED), config.shutdown.timeoutMs).unref();
    gateway.close().then(
      () => end(exitCodes.STOPPED),
      () => end(exitCodes.FAILED),
    );
  };
  // In place of those of the entry, which end the process while it loads.
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.removeAllListeners(signal).on(signal, () => stop());
  const hadTerminal = hasTerminal();
  // A terminal that is closed sends this signal too; then the gateway stops.
  process.on('SIGHUP', () => (hadTerminal && !hasTerminal() ? stop(endByHangup) : reload.now()));

  try {
    const { port } = await gateway.start();
    reload.watch();
    // In production each line of standard output is JSON.
    if (!config.isProduction) greet(port, config);
  } catch (error) {
    // What is stopped while it starts has not failed; `stop` ends the process.
    if (stoppingSinceMs !== undefined) return;
    if (config.isProduction) {
      // Of a failure that is not expected the stack is needed.
      logger.fatal(error instanceof StartError ? { reason: error.message } : { err: error }, 'the start failed');
    }
    throw error;
  }
}

/** Ends the process as its terminal was closed. `process.exit` would abort, because it cannot reset that terminal. */
function endByHangup(): void {
  process.removeAllListeners('SIGHUP');
  process.kill(process.pid, 'SIGHUP');
}

/** Whether this process belongs to a terminal that is still open. */
function hasTerminal(): boolean {
  try {
    closeSync(openSync('/dev/tty', 'r'));
    return true;
  } catch {
    return false;
  }
}

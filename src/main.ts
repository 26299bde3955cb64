import { existsSync } from 'node:fs';
import { createApp, createGatewayLogger } from './app.js';
import { type Config, readConfig } from './config.js';
import { versions } from './platform/version.js';

/**
 * A further signal within this time belongs to the first one: Ctrl-C reaches the whole process group, and npm and other
 * launchers pass on what they get as well.
 */
const SAME_SIGNAL_MS = 1000;

const fail = (error: unknown): never => {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(1);
};

/** Reads the settings, of which a `.env` beside the package may hold some. */
function loadConfig(): Config {
  if (existsSync('.env')) process.loadEnvFile('.env');
  return readConfig(process.env);
}

/** Tells a developer where the gateway is, and how to use it. */
function greet(port: number): void {
  const token = 'npm run token -- --uid 64abc123def --scope conversation';
  process.stdout.write(
    `General Socket ${versions.version} listens on http://localhost:${port}; get a token: ${token}\n`,
  );
}

async function main(): Promise<void> {
  const config = loadConfig();
  const logger = createGatewayLogger(config);
  process.on('uncaughtExceptionMonitor', (err) => logger.fatal({ err }, 'the process crashed'));
  const app = createApp(config, { logger });
  let stoppingSinceMs: number | undefined;
  const stop = (): void => {
    const nowMs = performance.now();
    if (stoppingSinceMs !== undefined) {
      // A second one ends the process at once, as does the time limit.
      if (nowMs - stoppingSinceMs >= SAME_SIGNAL_MS) process.exit(1);
      return;
    }
    stoppingSinceMs = nowMs;
    setTimeout(() => process.exit(1), config.shutdown.timeoutMs).unref();
    app.close().then(() => process.exit(0), fail);
  };
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, stop);

  try {
    const { port } = await app.start();
    // In production each line of standard output is JSON.
    if (!config.isProduction) greet(port);
  } catch (error) {
    // What is stopped while it starts has not failed; `stop` ends the process.
    if (stoppingSinceMs !== undefined) return;
    const reason = error instanceof Error ? error.message : String(error);
    if (config.isProduction) logger.fatal({ reason }, 'the start failed');
    throw error;
  }
}

main().catch(fail);

import { existsSync } from 'node:fs';
import { createApp } from './app.js';
import { type Config, readConfig } from './config.js';

const fail = (error: unknown): never => {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(1);
};

/** Reads the settings, of which a `.env` beside the package may hold some. */
function loadConfig(): Config {
  if (existsSync('.env')) process.loadEnvFile('.env');
  return readConfig(process.env);
}

async function main(): Promise<void> {
  const config = loadConfig();
  const app = createApp(config);
  let isStopping = false;
  const stop = (): void => {
    // A second signal ends it at once, as does the time limit.
    if (isStopping) process.exit(1);
    isStopping = true;
    setTimeout(() => process.exit(1), config.shutdown.timeoutMs).unref();
    app.close().then(() => process.exit(0), fail);
  };
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, stop);

  const { port } = await app.start();
  const token = 'npm run token -- --uid 64abc123def --scope conversation';
  process.stdout.write(`General Socket listens on http://localhost:${port}; get a token: ${token}\n`);
}

main().catch(fail);

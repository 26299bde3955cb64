import { mkdirSync } from 'node:fs';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { readConfig } from '../src/config.js';
import { toUrl } from '../src/embedded/process/address.js';
import { serveDirectory } from '../src/embedded/server/serve-directory.js';

const USAGE = `Runs the embedded database alone, for several gateways, mongosh or Compass to share, and prints its URL.

  npm run db -- [--port 27117] [--data directory] [--host 127.0.0.1] [--repair]
`;

const { values } = parseArgs({
  options: {
    port: { type: 'string', default: '27117' },
    host: { type: 'string', default: '127.0.0.1' },
    data: { type: 'string' },
    repair: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});
if (values.help) {
  process.stderr.write(USAGE);
  process.exit(0);
}

/** The data directory of the gateway, unless another one is given. */
function directoryOf(data: string | undefined): string {
  if (data !== undefined) return resolve(data);
  return resolve(readConfig(process.env, '.env').storage.directory, 'db');
}

try {
  const directory = directoryOf(values.data);
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const server = await serveDirectory(
    { directory, address: { host: values.host, port: Number(values.port) }, isRepairing: values.repair },
    (message) => process.stderr.write(`${message}\n`),
  );
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => void server.stop().then(() => process.exit(0)));
  }
  process.stdout.write(`${toUrl(server.address)}\n`);
} catch (error) {
  process.stderr.write(`${(error as Error).message}\n`);
  process.exitCode = 1;
}

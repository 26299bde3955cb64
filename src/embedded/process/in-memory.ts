import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { serveMemory } from '../server/serve-memory.js';
import { addressOf, toUrl } from './address.js';
import type { EmbeddedLogger } from './launcher.js';

/** Serves a database in memory from this process, at a socket that only its owner can reach. */
export async function launchInMemory(database: string | undefined, logger: EmbeddedLogger | undefined) {
  const directory = mkdtempSync(join(tmpdir(), 'general-socket-'));
  const server = await serveMemory(addressOf(directory), (message) =>
    logger?.warn({}, `embedded database: ${message}`),
  );
  return {
    url: toUrl(server.address, database),
    pid: process.pid,
    async stop(): Promise<void> {
      await server.stop();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

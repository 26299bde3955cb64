import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createConnection } from 'mongoose';
import { defineModels, type Models } from '#shared/models/index.js';
import { createAll, reviewIndexes } from '../../src/platform/mongo/indexes/index.js';
import { API_KEY, PING_INTERVAL_MS, SECRET, type ServerQuestion, type Usage } from './wire.js';
import { startWorker } from './workers.js';

const { startEmbedded } = (await import(
  new URL('../../dist/src/embedded/index.js', import.meta.url).href
)) as typeof import('../../src/embedded/index.js');

/** The system under test: a gateway and its database, each in its own process. */
export interface Rig {
  readonly label: string;
  readonly port: number;
  readonly models: Models;
  /** CPU time of gateway and database so far, in microseconds; unknown for a remote database. */
  cpu(): Promise<{ gateway: number; database: number }>;
  stop(): Promise<void>;
}

/** Starts a gateway as in production, on the embedded database or on `mongodbUrl`. */
export async function startRig(options: {
  label: string;
  mongodbUrl: string | undefined;
  env?: Record<string, string>;
}): Promise<Rig> {
  const { label, mongodbUrl, env = {} } = options;
  const directory = await mkdtemp(join(tmpdir(), 'general-socket-bench-'));
  const embedded = mongodbUrl === undefined ? await startEmbedded({ directory: join(directory, 'db') }) : undefined;
  const url = mongodbUrl ?? embedded?.url ?? '';
  if (embedded !== undefined) await applyIndexes(url);
  const { worker, ready } = await startWorker<ServerQuestion, Usage, { port: number }>('servers/gateway', {
    ...{ NODE_ENV: 'production', HOST: '127.0.0.1', PORT: '0', DATA_DIR: directory, MONGODB_URL: url },
    ...{ JWT_SECRET: SECRET, EMIT_API_KEYS: API_KEY, EVENT_LIMIT: '100000000' },
    ...{ PING_INTERVAL_MS: String(PING_INTERVAL_MS), SHUTDOWN_DRAIN_MS: '0' },
    ...env,
  });
  const connection = await createConnection(url, { autoIndex: false }).asPromise();
  return {
    label,
    port: ready.port,
    models: defineModels(connection),
    async cpu() {
      const { cpuMicros } = await worker.ask({ kind: 'usage' });
      return { gateway: cpuMicros, database: embedded?.pid === undefined ? Number.NaN : cpuOfProcess(embedded.pid) };
    },
    async stop() {
      await connection.close();
      await worker.stop();
      await embedded?.stop();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

/** Creates the indexes of the platform's collections, which the gateway does not create itself. */
async function applyIndexes(url: string): Promise<void> {
  const connection = await createConnection(url, { autoIndex: false }).asPromise();
  const { missing } = await reviewIndexes(connection, { models: defineModels(connection), ownsAll: true });
  await createAll(connection, missing);
  await connection.close();
}

/** User and system time of another process in microseconds; the resolution on Linux is 10 ms. */
function cpuOfProcess(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  return (Number(fields[11]) + Number(fields[12])) * 10_000;
}

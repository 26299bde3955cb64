import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Connection, createConnection } from 'mongoose';
import { defineModels, type Models } from '#shared/models/index.js';
import { createAll, reviewIndexes } from '../../src/platform/mongo/indexes/index.js';
import { usageOf } from './processes.js';
import { API_KEY, PING_INTERVAL_MS, SECRET, type ServerQuestion, type Usage } from './wire.js';
import { startWorker, thisCheckout } from './workers.js';

/** The system under test: one or more nodes of a gateway and their database, each in its own process. */
export interface Rig {
  readonly label: string;
  /** Of the first node. */
  readonly port: number;
  readonly ports: readonly number[];
  readonly models: Models;
  /** Process ids. */
  readonly pids: { readonly server: readonly number[]; readonly database: readonly number[] };
  /** CPU time of gateway and database so far, in microseconds; unknown for a remote database. */
  cpu(): Promise<{ gateway: number; database: number }>;
  /** Commands that the database has had. */
  commands(): Promise<number>;
  collectGarbage(): Promise<void>;
  stop(): Promise<void>;
}

/** What {@link startRig} needs. */
export interface RigOptions {
  readonly label: string;
  /** Absent: an embedded database. */
  readonly mongodbUrl: string | undefined;
  readonly env?: Record<string, string>;
  readonly nodes?: number;
  /** Another checkout with a build. */
  readonly checkout?: string | undefined;
}

/** Starts gateways as in production. */
export async function startRig({ label, mongodbUrl, env = {}, nodes = 1, checkout }: RigOptions): Promise<Rig> {
  const directory = await mkdtemp(join(tmpdir(), 'general-socket-bench-'));
  const embedded = mongodbUrl === undefined ? await startDatabase(join(directory, 'db'), checkout) : undefined;
  const url = mongodbUrl ?? embedded?.url ?? '';
  if (embedded !== undefined) await applyIndexes(url);
  const settings = {
    NODE_ENV: 'production',
    HOST: '127.0.0.1',
    PORT: '0',
    DATA_DIR: directory,
    MONGODB_URL: url,
    JWT_SECRET: SECRET,
    EMIT_API_KEYS: API_KEY,
    EVENT_LIMIT: '100000000',
    PING_INTERVAL_MS: String(PING_INTERVAL_MS),
    SHUTDOWN_DRAIN_MS: '0',
    ...env,
  };
  const started = await Promise.all(
    Array.from({ length: nodes }, () =>
      startWorker<ServerQuestion, Usage, { port: number }>('servers/gateway', settings, checkout),
    ),
  );
  const workers = started.map(({ worker }) => worker);
  const ports = started.map(({ ready }) => ready.port);
  const connection = await createConnection(url, { autoIndex: false }).asPromise();
  const server = workers.map(({ pid }) => pid);
  const database = embedded?.pid === undefined ? [] : [embedded.pid];
  const countCommands = createCommandCounter(connection);
  return {
    label,
    ports,
    port: ports[0] ?? 0,
    pids: { server, database },
    models: defineModels(connection),
    cpu: async () => ({
      gateway: usageOf(server).cpuMicros,
      database: embedded === undefined ? Number.NaN : usageOf(database).cpuMicros,
    }),
    commands: countCommands,
    async collectGarbage() {
      await Promise.all(workers.map((worker) => worker.ask({ kind: 'usageAfterCollection' })));
    },
    async stop() {
      await connection.close();
      await Promise.all(workers.map((worker) => worker.stop()));
      await embedded?.stop();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

/** Starts the embedded database of a build. */
export async function startDatabase(directory: string, checkout = thisCheckout) {
  const { startEmbedded } = (await import(
    join(checkout, 'dist/src/embedded/index.js')
  )) as typeof import('../../src/embedded/index.js');
  return startEmbedded({ directory });
}

/** Counts all commands but its own. */
export function createCommandCounter(connection: Connection): () => Promise<number> {
  let own = 0;
  return async () => {
    own += 1;
    const { metrics } = (await connection.db?.admin().serverStatus()) ?? {};
    return Number(metrics?.commands?.total ?? Number.NaN) - own;
  };
}

/** Creates the indexes of the platform's collections, which the gateway does not create itself. */
export async function applyIndexes(url: string): Promise<void> {
  const connection = await createConnection(url, { autoIndex: false }).asPromise();
  const { missing } = await reviewIndexes(connection, { models: defineModels(connection), ownsAll: true });
  await createAll(connection, missing);
  await connection.close();
}

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { API_KEY, PING_INTERVAL_MS, SECRET, type ServerQuestion, type Target, type Usage } from './wire.js';
import { startWorker } from './workers.js';

/** The servers to compare. */
export type ContestantName = 'gateway' | 'Socket.IO' | 'ws';

/** A running server under test. */
export interface Contestant {
  readonly name: ContestantName;
  readonly target: Target;
  usage(): Promise<Usage>;
  /** Usage after a full garbage collection. */
  usageAfterCollection(): Promise<Usage>;
  /** Waits until at most `count` TCP connections are open. @throws Error after {@link SETTLE_LIMIT_MS} */
  settle(count: number): Promise<void>;
  stop(): Promise<void>;
}

const SCRIPTS = { gateway: 'servers/gateway', 'Socket.IO': 'servers/socket-io', ws: 'servers/ws' } as const;

const SETTLE_LIMIT_MS = 20_000;

/** Starts a server in its own process. @param redisUrl absent: a single node without Redis */
export async function startContestant(name: ContestantName, redisUrl: string | undefined): Promise<Contestant> {
  const directory = await mkdtemp(join(tmpdir(), 'general-socket-bench-'));
  const { worker, ready } = await startWorker<ServerQuestion, Usage, { port: number }>(SCRIPTS[name], {
    ...(name === 'gateway' ? settingsOfGateway(directory) : {}),
    ...(redisUrl === undefined ? {} : { REDIS_URL: redisUrl }),
  });
  const usage = (): Promise<Usage> => worker.ask({ kind: 'usage' });
  return {
    name,
    target: { protocol: name === 'ws' ? 'ws' : 'socket.io', port: ready.port },
    usage,
    usageAfterCollection: () => worker.ask({ kind: 'usageAfterCollection' }),
    async settle(count) {
      const giveUpAt = performance.now() + SETTLE_LIMIT_MS;
      while ((await usage()).connections > count) {
        if (performance.now() > giveUpAt) throw new Error(`${name} keeps closed connections open`);
        await pause(20);
      }
    },
    async stop() {
      await worker.stop();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

/** As in production: with a key, validation, metrics and logs. */
const settingsOfGateway = (directory: string): Record<string, string> => ({
  NODE_ENV: 'production',
  HOST: '127.0.0.1',
  PORT: '0',
  DATA_DIR: directory,
  JWT_SECRET: SECRET,
  EMIT_API_KEYS: API_KEY,
  PING_INTERVAL_MS: String(PING_INTERVAL_MS),
  SHUTDOWN_DRAIN_MS: '0',
});

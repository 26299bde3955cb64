import { spawn } from 'node:child_process';
import { type EventEmitter, once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { freePort } from '../../test/support/redis-server.js';
import { API_KEY, SECRET } from './wire.js';

const START_LIMIT_MS = 10_000;

/** The program on the PATH; version 6. */
const PROGRAM = 'centrifugo';

interface CentrifugoOptions {
  readonly nodes: number;
  /** Absent: in memory. */
  readonly redisUrl: string | undefined;
  readonly pingIntervalMs: number;
}

/**
 * Starts Centrifugo: in memory, or over Redis. Channels of `kept:` keep what was published, so that clients that come back get it.
 * @returns `undefined` when it is not installed
 */
export async function startCentrifugo({ nodes, ...options }: CentrifugoOptions) {
  const directory = await mkdtemp(join(tmpdir(), 'general-socket-bench-'));
  const started = await Promise.all(
    Array.from({ length: nodes }, (_, n) => startNode(join(directory, `${n}.json`), options)),
  );
  const running = started.filter((node) => node !== undefined);
  const stop = async (): Promise<void> => {
    await Promise.all(running.map((node) => node.stop()));
    await rm(directory, { recursive: true, force: true });
  };
  if (running.length < nodes) {
    await stop();
    return undefined;
  }
  return {
    protocol: 'centrifugo' as const,
    ports: running.map(({ port }) => port),
    pids: running.map(({ pid }) => pid),
    databasePids: [],
    collectGarbage: async () => undefined,
    stop,
  };
}

async function startNode(config: string, options: Omit<CentrifugoOptions, 'nodes'>) {
  const port = await freePort();
  await writeFile(config, JSON.stringify(toConfig(port, options)));
  const child = spawn(PROGRAM, ['-c', config], { stdio: ['ignore', 'ignore', 'inherit'] });
  const isInstalled = await happens(child, 'spawn');
  if (!isInstalled) return undefined;
  await listening(port);
  return {
    port,
    pid: child.pid ?? 0,
    async stop() {
      const ended = once(child, 'exit');
      child.kill();
      await ended;
    },
  };
}

const toConfig = (port: number, { redisUrl, pingIntervalMs }: Omit<CentrifugoOptions, 'nodes'>) => ({
  http_server: { address: '127.0.0.1', port: String(port) },
  http_api: { key: API_KEY },
  log: { level: 'error' },
  client: {
    token: { hmac_secret_key: SECRET },
    allowed_origins: ['*'],
    ping_interval: `${pingIntervalMs}ms`,
    pong_timeout: '8s',
    user_connection_limit: 0,
  },
  channel: {
    namespaces: [{ name: 'user' }, { name: 'kept', history_size: 1000, history_ttl: '600s', force_recovery: true }],
  },
  ...(redisUrl === undefined ? {} : { engine: { type: 'redis', redis: { address: redisUrl } } }),
});

/** Whether an event comes before an error. */
const happens = (emitter: EventEmitter, event: string): Promise<boolean> =>
  once(emitter, event).then(
    () => true,
    () => false,
  );

async function listening(port: number): Promise<void> {
  const giveUpAt = performance.now() + START_LIMIT_MS;
  for (;;) {
    const socket = connect({ port, host: '127.0.0.1' });
    const isOpen = await happens(socket, 'connect');
    socket.destroy();
    if (isOpen) return;
    if (performance.now() > giveUpAt) throw new Error(`${PROGRAM} does not listen`);
    await pause(50);
  }
}

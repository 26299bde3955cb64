import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createClient } from 'redis';
import { freePort } from './redis-server.js';
import { type TestTls, toTlsLines, toTlsOptions } from './redis-tls.js';
import { until } from './until.js';

/** A process of `redis-server` with a configuration file of its own. */
export interface RedisProcess {
  readonly port: number;
  readonly child: ChildProcess;
  /** Ends it at once (SIGKILL). */
  kill(): Promise<void>;
  /** Runs a command on a connection of its own. */
  command(...args: string[]): Promise<unknown>;
}

/** Options of {@link startRedisProcess}. */
export interface RedisProcessOptions {
  readonly directory: string;
  readonly port: number;
  readonly password: string;
  /** Present: only TLS. */
  readonly tls?: TestTls | undefined;
  /** Lines of the configuration file. */
  readonly lines: readonly string[];
  /** Further arguments. */
  readonly args?: readonly string[];
}

/** Starts `redis-server` without persistence. */
export async function startRedisProcess(options: RedisProcessOptions): Promise<RedisProcess> {
  const { directory, port, password, tls, lines, args = [] } = options;
  const file = join(directory, `${port}.conf`);
  const common = ['bind 127.0.0.1', `dir ${directory}`, 'daemonize no', `requirepass ${password}`];
  const ports = tls === undefined ? [`port ${port}`] : toTlsLines(port, tls);
  await writeFile(file, [...ports, ...common, ...lines].join('\n'));
  const child = spawn('redis-server', [file, ...args], { stdio: 'ignore' });
  const open = async () => {
    const client = createClient({ password, socket: { port, reconnectStrategy: false, ...toTlsOptions(tls) } });
    client.on('error', () => undefined);
    await client.connect();
    return client;
  };
  const command = async (...words: string[]): Promise<unknown> => {
    const client = await open();
    try {
      return await client.sendCommand(words);
    } finally {
      client.destroy();
    }
  };
  const kill = async (): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    await ended;
  };
  await until(() => {
    if (child.exitCode !== null) throw new Error(`redis-server ended before it was ready, see ${file}`);
    return command('PING').then(
      () => true,
      () => false,
    );
  });
  return { port, child, kill, command };
}

/** A master, a replica and three sentinels. */
export interface TestSentinels {
  /** Names all sentinels, and the passwords of both. */
  readonly url: string;
  readonly sentinels: readonly RedisProcess[];
  readonly servers: readonly RedisProcess[];
  /** The master according to the first sentinel that runs. */
  master(): Promise<RedisProcess>;
  /** Starts a fail-over by a sentinel, and waits until the other server is the master. */
  failOver(): Promise<void>;
  /** Waits until another server than `former` is the master. */
  promoted(former: RedisProcess): Promise<void>;
  dispose(): Promise<void>;
}

const MASTER_NAME = 'main';
const PASSWORD = 'server-hunter2';
const SENTINEL_PASSWORD = 'sentinel-hunter2';

/** Starts the servers; sentinels count a master as down after `downAfterMs`. */
export async function startSentinels(options: { downAfterMs?: number; tls?: TestTls } = {}): Promise<TestSentinels> {
  const { downAfterMs = 500, tls } = options;
  const directory = await mkdtemp(join(tmpdir(), 'general-socket-sentinel-'));
  const memory = ['save ""', 'appendonly no', 'repl-diskless-sync-delay 0', 'repl-timeout 5', `masterauth ${PASSWORD}`];
  const servers: RedisProcess[] = [];
  for (const _ of [0, 1]) {
    const [first] = servers;
    const lines = [...memory, ...(first === undefined ? [] : [`replicaof 127.0.0.1 ${first.port}`])];
    servers.push(await startRedisProcess({ directory, port: await freePort(), password: PASSWORD, tls, lines }));
  }
  const [first, second] = servers;
  if (first === undefined || second === undefined) throw new Error('no servers');
  await until(async () => String(await second.command('INFO', 'replication')).includes('master_link_status:up'));
  const monitor = [
    `sentinel monitor ${MASTER_NAME} 127.0.0.1 ${first.port} 2`,
    `sentinel auth-pass ${MASTER_NAME} ${PASSWORD}`,
    `sentinel down-after-milliseconds ${MASTER_NAME} ${downAfterMs}`,
    `sentinel failover-timeout ${MASTER_NAME} 1000`,
    `sentinel sentinel-pass ${SENTINEL_PASSWORD}`,
  ];
  const sentinels = await Promise.all(
    [0, 1, 2].map(async () =>
      startRedisProcess({
        directory,
        port: await freePort(),
        password: SENTINEL_PASSWORD,
        tls,
        lines: monitor,
        args: ['--sentinel'],
      }),
    ),
  );
  const running = () => sentinels.filter(({ child }) => child.exitCode === null && child.signalCode === null);
  const infoOf = async (sentinel: RedisProcess): Promise<string> => String(await sentinel.command('INFO', 'sentinel'));
  await until(async () => {
    const infos = await Promise.all(sentinels.map(infoOf));
    return infos.every((info) => /status=ok.*slaves=1,sentinels=3/.test(info));
  });
  const master = async (): Promise<RedisProcess> => {
    const reply = await running()[0]?.command('SENTINEL', 'GET-MASTER-ADDR-BY-NAME', MASTER_NAME);
    const port = Array.isArray(reply) ? Number(reply[1]) : 0;
    const found = servers.find((server) => server.port === port);
    if (found === undefined) throw new Error('no master');
    return found;
  };
  const promoted = (former: RedisProcess): Promise<void> => until(async () => (await master()) !== former);
  return {
    url: `${tls === undefined ? 'redis' : 'rediss'}+sentinel://:${PASSWORD}@${sentinels.map(({ port }) => `127.0.0.1:${port}`).join(',')}/${MASTER_NAME}?sentinel_password=${SENTINEL_PASSWORD}`,
    sentinels,
    servers,
    master,
    promoted,
    async failOver() {
      const former = await master();
      await until(async () => {
        await running()[0]
          ?.command('SENTINEL', 'FAILOVER', MASTER_NAME)
          .catch(() => undefined);
        return (await master()) !== former;
      });
    },
    async dispose() {
      for (const { kill } of [...sentinels, ...servers]) await kill();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

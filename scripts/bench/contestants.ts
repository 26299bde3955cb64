import { startRedis, type TestRedis } from '../../test/support/redis-server.js';
import { startCentrifugo } from './centrifugo.js';
import { collectGarbageOf } from './debugger.js';
import { disconnected, settled, usageOf } from './processes.js';
import { type Rig, startRig } from './rig.js';
import { seedLists, seedUsers } from './seed.js';
import { PING_INTERVAL_MS, type Protocol, type ServerQuestion, type Target, type Usage } from './wire.js';
import { startWorker } from './workers.js';

/**
 * The servers to compare. `against` is the gateway of another checkout, `one node` a gateway without Redis beside several nodes,
 * `Socket.IO with key` has the secret of tokens as a key.
 */
export type ContestantName = (typeof contestantNames)[number];

/** All servers, in the order of the table. */
export const contestantNames = [
  'gateway',
  'against',
  'one node',
  'Socket.IO',
  'Socket.IO with key',
  'ws',
  'Centrifugo',
] as const;

/**
 * The servers that take part: those that were chosen, or all. The gateway of another checkout does whenever there is one.
 * @param against its directory
 */
export const takingPart = (chosen: readonly string[], against: string | undefined): ContestantName[] =>
  contestantNames.filter((name) =>
    name === 'against' ? against !== undefined : chosen.length === 0 || chosen.includes(name),
  );

/** What a contestant has used so far. */
export interface Consumption {
  /** CPU time in microseconds. */
  readonly server: number;
  readonly database: number;
  readonly redis: number;
  /** Commands of the database. */
  readonly commands: number;
  /** Resident memory of each. */
  readonly rssBytes: { readonly server: number; readonly database: number; readonly redis: number };
}

/** A running server under test, with its database and its Redis. */
export interface Contestant {
  readonly name: ContestantName;
  readonly target: Target;
  consumption(): Promise<Consumption>;
  /** Waits until everything that it was asked for is done, in the background too. */
  settle(): Promise<void>;
  /** Waits until no client is connected. */
  disconnected(): Promise<void>;
  /** To be called for one contestant at a time. */
  collectGarbage(): Promise<void>;
  stop(): Promise<void>;
}

/** One node without Redis, or two with it. */
export interface Setting {
  readonly label: string;
  readonly nodes: number;
  /** Users in the database. */
  readonly users: number;
  /** Directory of another checkout, with a build. */
  readonly against: string | undefined;
  /** Heartbeats of the connections; absent: none in a measurement. */
  readonly pingIntervalMs?: number;
  /** Options of Node.js for the servers. */
  readonly nodeOptions?: string;
}

/** Disables the limits that are meant for users. A user counts as offline at once, so that it falls into the measurement. */
const GATEWAY_SETTINGS = {
  CONNECTIONS_MAX: '0',
  ADDRESS_CONNECTIONS_MAX: '0',
  PRESENCE_GRACE_MS: '0',
  MESSAGE_LIMIT: '100000000',
};

/** The first users, who ask for lists, have so many conversations of ten. */
const LISTS = { users: 100, conversationsEach: 100 } as const;

/** Starts a server and what it needs. @returns `undefined` when it is not installed, or not for this setting */
export async function startContestant(name: ContestantName, wanted: Setting): Promise<Contestant | undefined> {
  if (name === 'one node' && wanted.nodes === 1) return undefined;
  const setting = name === 'one node' ? { ...wanted, nodes: 1 } : wanted;
  const redis = setting.nodes > 1 ? await startRedis() : undefined;
  const server = await startServer(name, setting, redis?.url);
  if (server === undefined) {
    await redis?.dispose();
    return undefined;
  }
  const redisPids = redis === undefined ? [] : [await pidOf(redis)];
  const all = [...server.pids, ...server.databasePids, ...redisPids];
  return {
    name,
    target: { protocol: server.protocol, ports: server.ports },
    async consumption() {
      const commands = (await server.rig?.commands()) ?? 0;
      const [own, database, store] = [usageOf(server.pids), usageOf(server.databasePids), usageOf(redisPids)];
      return {
        server: own.cpuMicros,
        database: database.cpuMicros,
        redis: store.cpuMicros,
        commands,
        rssBytes: { server: own.rssBytes, database: database.rssBytes, redis: store.rssBytes },
      };
    },
    settle: () => settled(all),
    disconnected: () => disconnected(server.ports),
    async collectGarbage() {
      await server.collectGarbage();
      for (const pid of server.databasePids) await collectGarbageOf(pid);
    },
    async stop() {
      await server.stop();
      await redis?.dispose();
    },
  };
}

async function pidOf(redis: TestRedis): Promise<number> {
  return Number(/process_id:(\d+)/.exec(String(await redis.command('INFO', 'server')))?.[1]);
}

interface RunningServer {
  readonly protocol: Protocol;
  readonly ports: readonly number[];
  readonly pids: readonly number[];
  readonly databasePids: readonly number[];
  readonly rig?: Rig;
  collectGarbage(): Promise<void>;
  stop(): Promise<void>;
}

async function startServer(
  name: ContestantName,
  { nodes, users, against, pingIntervalMs = PING_INTERVAL_MS, nodeOptions }: Setting,
  redisUrl: string | undefined,
): Promise<RunningServer | undefined> {
  const env = {
    PING_INTERVAL_MS: String(pingIntervalMs),
    ...(redisUrl === undefined ? {} : { REDIS_URL: redisUrl }),
    ...(nodeOptions === undefined ? {} : { BENCH_NODE_OPTIONS: nodeOptions }),
  };
  if (name === 'Centrifugo') return startCentrifugo({ nodes, redisUrl, pingIntervalMs });
  if (name === 'Socket.IO') return startBare('servers/socket-io', { nodes, env, protocol: 'socket.io' });
  if (name === 'Socket.IO with key') {
    return startBare('servers/socket-io', { nodes, env: { ...env, TOKEN_KEY: 'prepared' }, protocol: 'socket.io' });
  }
  if (name === 'ws') return nodes > 1 ? undefined : startBare('servers/ws', { nodes, env, protocol: 'ws' });
  const checkout = name === 'against' ? against : undefined;
  const rig = await startRig({
    label: name,
    mongodbUrl: undefined,
    nodes,
    checkout,
    env: { ...GATEWAY_SETTINGS, ...env },
  });
  await seedUsers(rig.models, users);
  await seedLists(rig.models, LISTS);
  const { server: pids, database: databasePids } = rig.pids;
  const { ports, collectGarbage, stop } = rig;
  return { protocol: 'socket.io', ports, pids, databasePids, rig, collectGarbage, stop };
}

async function startBare(
  script: string,
  { nodes, env, protocol }: { nodes: number; env: Record<string, string>; protocol: Protocol },
): Promise<RunningServer> {
  const started = await Promise.all(
    Array.from({ length: nodes }, () => startWorker<ServerQuestion, Usage, { port: number }>(script, env)),
  );
  const workers = started.map(({ worker }) => worker);
  return {
    protocol,
    ports: started.map(({ ready }) => ready.port),
    pids: workers.map(({ pid }) => pid),
    databasePids: [],
    async collectGarbage() {
      await Promise.all(workers.map((worker) => worker.ask({ kind: 'usageAfterCollection' })));
    },
    async stop() {
      await Promise.all(workers.map((worker) => worker.stop()));
    },
  };
}

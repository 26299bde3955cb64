import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type RedisProcess, startRedisProcess } from './redis-sentinel.js';
import { freePort } from './redis-server.js';
import type { TestTls } from './redis-tls.js';
import { until } from './until.js';

/** A Redis Cluster of three masters, each with a replica. */
export interface TestCluster {
  /** Names all servers, and their password. */
  readonly url: string;
  readonly servers: readonly RedisProcess[];
  /** The master of a slot, according to a server that runs. */
  masterOf(slot: number): Promise<RedisProcess>;
  /** The replica of a master. */
  replicaOf(master: RedisProcess): Promise<RedisProcess>;
  /** `CLUSTER FAILOVER` of the master of a slot. Waits until its replica is the master for all servers. */
  failOver(slot: number): Promise<void>;
  /** Waits until another server than `former` is the master of a slot. */
  promoted(slot: number, former: RedisProcess): Promise<void>;
  /** Moves a slot with its keys to another master, as `redis-cli --cluster reshard` does. It stops at each step. */
  moveSlot(slot: number, steps?: MoveSteps): Promise<void>;
  dispose(): Promise<void>;
}

/** What happens at the steps of a move, in order. */
interface MoveSteps {
  /** The servers know of it; all keys are at the source. */
  begun?(): Promise<void>;
  /** Half of the keys are at the target. */
  half?(): Promise<void>;
  /** All keys are at the target, which does not own the slot yet. */
  moved?(): Promise<void>;
}

const PASSWORD = 'cluster-hunter2';
const SLOTS = 16_384;

/** A server as `CLUSTER NODES` has it. */
interface Entry {
  readonly id: string;
  readonly port: number;
  readonly isMaster: boolean;
  readonly masterId: string;
  readonly ranges: readonly (readonly [number, number])[];
}

/** Starts the servers; they count a master as down after `nodeTimeoutMs`. */
export async function startCluster(options: { nodeTimeoutMs?: number; tls?: TestTls } = {}): Promise<TestCluster> {
  const { nodeTimeoutMs = 1_000, tls } = options;
  const directory = await mkdtemp(join(tmpdir(), 'general-socket-cluster-'));
  const busPorts = new Map<number, string>();
  const servers = await Promise.all(
    [0, 1, 2, 3, 4, 5].map(async (i) => {
      const [port, busPort] = [await freePort(), await freePort()];
      busPorts.set(port, String(busPort));
      const lines = [
        'save ""',
        'appendonly no',
        'repl-diskless-sync-delay 0',
        `masterauth ${PASSWORD}`,
        'cluster-enabled yes',
        `cluster-config-file nodes-${port}.conf`,
        `cluster-port ${busPort}`,
        `cluster-node-timeout ${nodeTimeoutMs}`,
        'cluster-replica-validity-factor 0',
        'maxmemory 32mb',
        `cluster-announce-ip 127.0.0.1`,
      ];
      const server = await startRedisProcess({ directory, port, password: PASSWORD, tls, lines });
      await server.command('CLUSTER', 'SET-CONFIG-EPOCH', String(i + 1));
      return server;
    }),
  );
  const isRunning = ({ child }: RedisProcess): boolean => child.exitCode === null && child.signalCode === null;
  const entriesOf = async (server: RedisProcess): Promise<Entry[]> => {
    const text = String(await server.command('CLUSTER', 'NODES'));
    return text.trim().split('\n').map(toEntry);
  };
  const entries = async (): Promise<Entry[]> => {
    for (const server of servers.filter(isRunning)) {
      const found = await entriesOf(server).catch(() => undefined);
      if (found !== undefined) return found;
    }
    throw new Error('no server answers');
  };
  const serverAt = (port: number | undefined): RedisProcess => {
    const found = servers.find((server) => server.port === port);
    if (found === undefined) throw new Error(`no server has port ${port}`);
    return found;
  };
  const owns =
    (slot: number) =>
    (entry: Entry): boolean =>
      entry.isMaster && entry.ranges.some(([from, to]) => from <= slot && slot <= to);
  const masterOf = async (slot: number): Promise<RedisProcess> => serverAt((await entries()).find(owns(slot))?.port);
  const idOf = async (server: RedisProcess): Promise<string> => String(await server.command('CLUSTER', 'MYID'));
  const replicaOf = async (master: RedisProcess): Promise<RedisProcess> => {
    const all = await entries();
    const { id } = all.find(({ port }) => port === master.port) ?? {};
    return serverAt(all.find(({ isMaster, masterId }) => !isMaster && masterId === id)?.port);
  };
  /** Whether all that run agree. */
  const areAll = async (condition: (entries: Entry[]) => boolean): Promise<boolean> => {
    const views = await Promise.all(servers.filter(isRunning).map((server) => entriesOf(server).catch(() => [])));
    return views.every(condition);
  };

  const [first, ...others] = servers;
  if (first === undefined) throw new Error('no servers');
  for (const { port } of others) {
    await first.command('CLUSTER', 'MEET', '127.0.0.1', String(port), busPorts.get(port) ?? '');
  }
  await until(() => areAll((view) => view.length === servers.length));
  const step = Math.ceil(SLOTS / 3);
  for (const [i, master] of servers.slice(0, 3).entries()) {
    await master.command('CLUSTER', 'ADDSLOTSRANGE', String(i * step), String(Math.min((i + 1) * step, SLOTS) - 1));
    await servers[i + 3]?.command('CLUSTER', 'REPLICATE', await idOf(master));
  }
  await until(async () => {
    const infos = await Promise.all(servers.map((server) => server.command('CLUSTER', 'INFO')));
    const links = await Promise.all(servers.slice(3).map((server) => server.command('INFO', 'replication')));
    return (
      infos.every((info) => String(info).includes('cluster_state:ok')) &&
      links.every((info) => String(info).includes('master_link_status:up'))
    );
  });

  return {
    url: `${tls === undefined ? 'redis' : 'rediss'}+cluster://:${PASSWORD}@${servers.map(({ port }) => `127.0.0.1:${port}`).join(',')}`,
    servers,
    masterOf,
    replicaOf,
    async failOver(slot) {
      const replica = await replicaOf(await masterOf(slot));
      await replica.command('CLUSTER', 'FAILOVER');
      await until(() => areAll((view) => view.find(owns(slot))?.port === replica.port));
    },
    promoted: (slot, former) => until(async () => (await masterOf(slot).catch(() => former)) !== former),
    async moveSlot(slot, steps = {}) {
      const source = await masterOf(slot);
      const masters = (await entries()).filter(({ isMaster }) => isMaster).map(({ port }) => serverAt(port));
      const target = masters.find((master) => master !== source);
      if (target === undefined) throw new Error('no other master');
      const text = String(slot);
      await target.command('CLUSTER', 'SETSLOT', text, 'IMPORTING', await idOf(source));
      await source.command('CLUSTER', 'SETSLOT', text, 'MIGRATING', await idOf(target));
      const move = async (limit: number): Promise<number> => {
        const keys = (await source.command('CLUSTER', 'GETKEYSINSLOT', text, String(limit))) as string[];
        // Without `REPLACE`: it is refused when a key has begun at the target meanwhile.
        const to = ['127.0.0.1', String(target.port), '', '0', '5000', 'AUTH', PASSWORD, 'KEYS'];
        if (keys.length > 0) await source.command('MIGRATE', ...to, ...keys);
        return keys.length;
      };
      await steps.begun?.();
      const total = Number(await source.command('CLUSTER', 'COUNTKEYSINSLOT', text));
      await move(Math.ceil(total / 2));
      await steps.half?.();
      while ((await move(100)) > 0);
      await steps.moved?.();
      for (const server of [target, source, ...masters])
        await server.command('CLUSTER', 'SETSLOT', text, 'NODE', await idOf(target));
    },
    async dispose() {
      for (const { kill } of servers) await kill();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

function toEntry(line: string): Entry {
  const [id = '', address = '', flags = '', masterId = '', , , , , ...slots] = line.split(' ');
  const ranges = slots
    .filter((slot) => !slot.startsWith('['))
    .map((slot): [number, number] => {
      const [from = '', to = from] = slot.split('-');
      return [Number(from), Number(to)];
    });
  const port = Number(/:(\d+)@/.exec(address)?.[1]);
  return { id, port, isMaster: flags.includes('master') && !flags.includes('fail'), masterId, ranges };
}

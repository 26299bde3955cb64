import { setTimeout as pause } from 'node:timers/promises';
import { startRedis } from '../../test/support/redis-server.js';
import type { BenchOptions } from './options.js';
import { usageOf } from './processes.js';
import { beginReport, type Measurement, publish, toResult } from './results.js';
import { startRig } from './rig.js';
import { seedUsers } from './seed.js';
import { API_KEY, type LoadOrder, type LoadResult, type Target } from './wire.js';
import { startWorker, type Worker } from './workers.js';

/*
 * What several nodes on one Redis spend on each emit, and what a node spends that has none of the addressed users. The first
 * node takes the calls, the second one has the users, and the others have users who are not addressed. CPU time of each
 * process is that of an idle moment subtracted; the idle time is a row of its own.
 */

const NODES = [2, 4, 8];
/** Users that are addressed. */
const USERS = 100;
/** Users of each other node. */
const OTHER_USERS = 50;
const IDLE_MS = 8_000;
/** After durable messages: a node polls the log every 4 s. */
const AFTERMATH_MS = 5_000;
/** Batches for which messages between nodes are counted. */
const COUNTED_BATCHES = 50;
const BATCH = 100;
/** To compare with the idle time: nothing is subtracted. */
const BUSY = 'a node that is not concerned, while others send';

interface Step {
  readonly name: string;
  readonly isDurable: boolean;
  readonly order: (target: Target) => LoadOrder;
}

const STEPS: readonly Step[] = [
  { name: 'plain emit', isDurable: false, order: (target) => ({ kind: 'emit', target, requests: 4000, inFlight: 32 }) },
  { name: 'plain item of a batch of 100', isDurable: false, order: (target) => toBatches(target, 100, false) },
  {
    ...{ name: 'durable emit', isDurable: true },
    order: (target) => ({ kind: 'emit', target, requests: 1500, inFlight: 32, isDurable: true }),
  },
  { name: 'durable item of a batch of 100', isDurable: true, order: (target) => toBatches(target, 40, true) },
];

const toBatches = (target: Target, requests: number, isDurable: boolean): LoadOrder => ({
  ...{ kind: 'emitBatch', target, requests, itemsPerRequest: BATCH, isDurable },
});

type Load = Worker<LoadOrder, LoadResult>;
type Cluster = Awaited<ReturnType<typeof startCluster>>;

/** Runs on embedded databases, one for each number of nodes; publishes a report. */
export async function run({ rounds, nodes = NODES }: BenchOptions): Promise<void> {
  const report = beginReport('nodes', [
    `${rounds} rounds, in which the clusters take turns. All on one machine.`,
    `${USERS} users on the second node are addressed through the first; each further node has ${OTHER_USERS} others.`,
  ]);
  const { worker: load } = await startWorker<LoadOrder, LoadResult>('load/main');
  const clusters: Cluster[] = [];
  try {
    for (const count of nodes) clusters.push(await startCluster(count, load));
    const samples = createSamples();
    // The first round compiles the code.
    await measureRound(clusters, { load, idleMs: 1_000, samples: createSamples() });
    for (let round = 0; round < rounds; round += 1) {
      await measureRound(round % 2 === 0 ? clusters : clusters.toReversed(), { load, idleMs: IDLE_MS, samples });
    }
    report.scenarios.push(...samples.toMeasurements().map(toResult));
    for (const cluster of clusters) report.notes.push(...(await countMessages(cluster, load)));
  } finally {
    await load.stop();
    await Promise.all(clusters.map((cluster) => cluster.stop()));
  }
  await publish(report);
}

async function measureRound(
  clusters: readonly Cluster[],
  { load, idleMs, samples }: { load: Load; idleMs: number; samples: Samples },
): Promise<void> {
  const idle = await measureIdle(clusters, idleMs);
  for (const cluster of clusters) {
    const { label, nodes } = cluster;
    const rates = idle.get(cluster) ?? new Map();
    samples.add('idle node', label, sum(nodes, rates) / nodes.length);
    for (const step of STEPS) {
      const { total, bystander, loaded } = await measure(cluster, { step, rates, load });
      samples.add(step.name, label, total);
      const own = bystander === undefined ? '' : `, not concerned ${bystander.toFixed(2)}`;
      process.stderr.write(`${label}: ${step.name} ${total.toFixed(1)} µs${own}\n`);
      if (bystander === undefined || loaded === undefined) continue;
      samples.add(`${step.name}, a node that is not concerned`, label, bystander);
      samples.add(`${BUSY}: ${step.name}`, label, loaded);
    }
  }
}

/** A cluster with its Redis and database, and all clients connected. */
async function startCluster(count: number, load: Load) {
  const redis = await startRedis();
  const env = {
    ...{ REDIS_URL: redis.url, CONNECTIONS_MAX: '0', ADDRESS_CONNECTIONS_MAX: '0', PRESENCE_GRACE_MS: '0' },
  };
  const rig = await startRig({ label: `${count} nodes`, mongodbUrl: undefined, env, nodes: count });
  await seedUsers(rig.models, 1000);
  const [called, ...others] = rig.ports as [number, ...number[]];
  const [holder = called, ...bystanders] = others;
  const redisPid = Number(/process_id:(\d+)/.exec(String(await redis.command('INFO', 'server')))?.[1]);
  const target: Target = { protocol: 'socket.io', ports: [holder], callPorts: [called] };
  await load.ask({ kind: 'connect', target, count: USERS, inFlight: 32 });
  for (const [index, port] of bystanders.entries()) {
    const firstUser = USERS + index * OTHER_USERS;
    const other: Target = { protocol: 'socket.io', ports: [port] };
    await load.ask({ kind: 'connect', target: other, count: OTHER_USERS, inFlight: 32, firstUser });
  }
  return {
    ...{ label: rig.label, target, ports: rig.ports },
    nodes: rig.pids.server,
    bystanders: rig.pids.server.slice(2),
    all: [...rig.pids.server, ...rig.pids.database, redisPid],
    /** The users are spread over all nodes but the first. */
    spread: { protocol: 'socket.io', ports: others, callPorts: [called] } satisfies Target,
    async stop() {
      await rig.stop();
      await redis.dispose();
    },
  };
}

/** CPU time by process, in microseconds. */
type CpuByProcess = ReadonlyMap<number, number>;

const cpuOf = (pids: readonly number[]): CpuByProcess =>
  new Map(pids.map((pid) => [pid, usageOf([pid]).cpuMicros] as const));

const sum = (pids: readonly number[], values: CpuByProcess): number =>
  pids.reduce((total, pid) => total + (values.get(pid) ?? 0), 0);

/** Microseconds of CPU a millisecond of each process while nothing is asked of it. */
async function measureIdle(clusters: readonly Cluster[], ms: number): Promise<Map<Cluster, CpuByProcess>> {
  const before = clusters.map(({ all }) => cpuOf(all));
  const startedAt = performance.now();
  await pause(ms);
  const lasted = performance.now() - startedAt;
  return new Map(
    clusters.map((cluster, index) => {
      const rates = [...cpuOf(cluster.all)].map(
        ([pid, cpu]) => [pid, (cpu - (before[index]?.get(pid) ?? 0)) / lasted] as const,
      );
      return [cluster, new Map(rates)];
    }),
  );
}

/** Microseconds for each emit: of all processes, and of one node that is not concerned; its milliseconds a second. */
async function measure(
  { all, bystanders, target }: Cluster,
  { step, rates, load }: { step: Step; rates: CpuByProcess; load: Load },
): Promise<{ total: number; bystander?: number; loaded?: number }> {
  const before = cpuOf(all);
  const startedAt = performance.now();
  const { operations } = await load.ask(step.order(target));
  await pause(step.isDurable ? AFTERMATH_MS : 300);
  const ms = performance.now() - startedAt;
  const after = cpuOf(all);
  const each = new Map(
    [...after].map(
      ([pid, cpu]) => [pid, (cpu - (before.get(pid) ?? 0) - (rates.get(pid) ?? 0) * ms) / operations] as const,
    ),
  );
  const total = sum(all, each);
  const { length } = bystanders;
  if (length === 0) return { total };
  const loaded = (sum(bystanders, after) - sum(bystanders, before)) / length / ms;
  return { total, bystander: sum(bystanders, each) / length, loaded };
}

/** Messages of other nodes that each node reads while batches are sent to users of one node, and of all. */
async function countMessages({ label, ports, target, spread }: Cluster, load: Load): Promise<string[]> {
  const lines: string[] = [];
  const count = async (where: string, to: Target): Promise<void> => {
    for (const isDurable of [false, true]) {
      const before = await Promise.all(ports.map(messagesOf));
      const { durationMs } = await load.ask(toBatches(to, COUNTED_BATCHES, isDurable));
      const after = await Promise.all(ports.map(messagesOf));
      const each = after.map((total, index) => ((total - (before[index] ?? 0)) / COUNTED_BATCHES).toFixed(2));
      lines.push(
        `${label}, ${isDurable ? 'durable' : 'plain'} batches of ${BATCH} to users of ${where}: messages read for each batch, by node: ${each.join(' ')} (in ${Math.round(durationMs)} ms)`,
      );
    }
  };
  await count('the second node', target);
  await load.ask({ kind: 'close', target });
  await load.ask({ kind: 'connect', target: spread, count: USERS, inFlight: 32 });
  if (spread.ports.length > 1) await count('all nodes but the first', spread);
  return lines;
}

async function messagesOf(port: number): Promise<number> {
  const response = await fetch(`http://127.0.0.1:${port}/metrics`, { headers: { 'x-api-key': API_KEY } });
  return Number(/^gateway_node_messages_total (\d+)$/m.exec(await response.text())?.[1]);
}

type Samples = ReturnType<typeof createSamples>;

/** By what was measured and by cluster; in order of the first sample. */
function createSamples() {
  const all = new Map<string, Map<string, number[]>>();
  return {
    add(name: string, label: string, value: number): void {
      const byLabel = all.get(name) ?? new Map<string, number[]>();
      all.set(name, byLabel.set(label, [...(byLabel.get(label) ?? []), value]));
    },
    toMeasurements: (): Measurement[] =>
      [...all].map(([name, byLabel]) => {
        const [first, ...others] = [...byLabel.keys()];
        const isTotal = STEPS.some((step) => step.name === name);
        return {
          name,
          unit: name === 'idle node' || name.startsWith(BUSY) ? 'ms CPU each second' : 'µs CPU for each',
          lines: [...byLabel].map(([label, samples]) => ({ label, samples })),
          comparisons: isTotal && first !== undefined ? others.map((of) => ({ of, against: first, bound: 1.2 })) : [],
        };
      }),
  };
}

import { readFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { startRedis } from '../../test/support/redis-server.js';
import type { BenchOptions } from './options.js';
import { usageOf } from './processes.js';
import { beginReport, type Measurement, publish, toResult } from './results.js';
import { startRig } from './rig.js';
import { seedUsers } from './seed.js';
import { summarize } from './statistics.js';
import { API_KEY, type LoadOrder, type LoadResult, type Target } from './wire.js';
import { startWorker, type Worker } from './workers.js';

/*
 * What several nodes on one Redis spend on each emit, and what a node spends that has none of the addressed users. The first
 * node takes the calls, the second one has the users, and the others have users who are not addressed. Windows with and without
 * calls take turns on the same processes and are equally long; a figure is the difference between two neighbours.
 */

const NODES = [2, 4, 8];
/** Users that are addressed. */
const USERS = 100;
/** Users of each other node. */
const OTHER_USERS = 50;
/** Batches for which messages between nodes are counted. */
const COUNTED_BATCHES = 50;
const BATCH = 100;
/** Of the calls of a window. */
const WARM_UP_SHARE = 0.25;

interface Step {
  readonly name: string;
  readonly order: (target: Target, share: number) => LoadOrder;
  /** A window is longer if the calls take longer. After durable messages it has two polls of the log, one each 4 s. */
  readonly windowMs: number;
}

const emits = (requests: number, isDurable: boolean): Step['order'] =>
  function toOrder(target, share) {
    return { kind: 'emit', target, requests: Math.ceil(requests * share), inFlight: 32, isDurable };
  };
const batches = (requests: number, isDurable: boolean): Step['order'] =>
  function toOrder(target, share) {
    return { kind: 'emitBatch', target, requests: Math.ceil(requests * share), itemsPerRequest: BATCH, isDurable };
  };

const STEPS: readonly Step[] = [
  { name: 'plain emit', windowMs: 2_500, order: emits(4_000, false) },
  { name: 'plain item of a batch of 100', windowMs: 2_500, order: batches(250, false) },
  { name: 'durable emit', windowMs: 8_000, order: emits(3_000, true) },
  { name: 'durable item of a batch of 100', windowMs: 8_000, order: batches(80, true) },
];

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
    // Compiles the code.
    for (const cluster of clusters) for (const { order } of STEPS) await load.ask(order(cluster.target, WARM_UP_SHARE));
    for (let round = 0; round < rounds; round += 1) {
      const turns = round % 2 === 0 ? clusters : clusters.toReversed();
      for (const cluster of turns)
        for (const step of STEPS) await measure(cluster, { step, load, samples, isQuietFirst: round % 2 === 1 });
    }
    report.scenarios.push(...samples.toMeasurements().map(toResult));
    for (const cluster of clusters) report.notes.push(...(await countMessages(cluster, load)));
  } finally {
    await load.stop();
    await Promise.all(clusters.map((cluster) => cluster.stop()));
  }
  await publish(report);
}

/** A cluster with its Redis and database, and all clients connected. */
async function startCluster(count: number, load: Load) {
  const redis = await startRedis();
  const env = { REDIS_URL: redis.url, CONNECTIONS_MAX: '0', ADDRESS_CONNECTIONS_MAX: '0', PRESENCE_GRACE_MS: '0' };
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
    label: rig.label,
    target,
    ports: rig.ports,
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

/** What happened in a window: CPU time by process, and what each bystander has read. */
interface Window {
  readonly operations: number;
  readonly ms: number;
  readonly cpuMicros: ReadonlyMap<number, number>;
  readonly bystanders: readonly { readonly cpuMicros: number; readonly bytes: number; readonly messages: number }[];
}

const cpuOf = (pids: readonly number[]): [number, number][] => pids.map((pid) => [pid, usageOf([pid]).cpuMicros]);

/** Bytes that a process has read so far, from connections and files. */
const bytesReadBy = (pid: number): number =>
  Number(/^rchar: (\d+)$/m.exec(readFileSync(`/proc/${pid}/io`, 'utf8'))?.[1]);

async function watch(
  { all, bystanders, ports }: Cluster,
  windowMs: number,
  work: () => Promise<number>,
): Promise<Window> {
  const bystanderPorts = ports.slice(2);
  const messages = await Promise.all(bystanderPorts.map(messagesOf));
  const [cpu, bytes] = [new Map(cpuOf(all)), bystanders.map(bytesReadBy)];
  const startedAt = performance.now();
  const operations = await work();
  await pause(Math.max(0, startedAt + windowMs - performance.now()));
  const ms = performance.now() - startedAt;
  const bytesAfter = bystanders.map(bytesReadBy);
  const cpuMicros = new Map(cpuOf(all).map(([pid, micros]) => [pid, micros - (cpu.get(pid) ?? 0)]));
  const messagesAfter = await Promise.all(bystanderPorts.map(messagesOf));
  return {
    operations,
    ms,
    cpuMicros,
    bystanders: bystanders.map((pid, index) => ({
      cpuMicros: cpuMicros.get(pid) ?? 0,
      bytes: (bytesAfter[index] ?? 0) - (bytes[index] ?? 0),
      messages: (messagesAfter[index] ?? 0) - (messages[index] ?? 0),
    })),
  };
}

interface MeasureOptions {
  readonly step: Step;
  readonly load: Load;
  readonly samples: Samples;
  readonly isQuietFirst: boolean;
}

/** Two windows, one with calls. */
async function measure(cluster: Cluster, { step, load, samples, isQuietFirst }: MeasureOptions): Promise<void> {
  const { label, target } = cluster;
  const { name, windowMs, order } = step;
  const quietly = (ms: number) => watch(cluster, ms, async () => 0);
  const early = isQuietFirst ? await quietly(windowMs) : undefined;
  const loaded = await watch(cluster, windowMs, async () => (await load.ask(order(target, 1))).operations);
  const quiet = early ?? (await quietly(loaded.ms));
  // Equal, unless the calls have taken longer than the window before.
  const scale = loaded.ms / quiet.ms;
  const total = sum(loaded.cpuMicros.values()) - scale * sum(quiet.cpuMicros.values());
  samples.add(name, label, total / loaded.operations);
  const nodes = cluster.nodes.map((pid) => quiet.cpuMicros.get(pid) ?? 0);
  samples.add(IDLE, label, sum(nodes) / nodes.length / quiet.ms);
  let line = `${label}: ${name} ${(total / loaded.operations).toFixed(1)} µs`;
  if (loaded.bystanders.length > 0) {
    for (const [what, unit] of BYSTANDER_ROWS) {
      const each = loaded.bystanders.map(
        (one, n) => (one[what] - scale * (quiet.bystanders[n]?.[what] ?? 0)) / loaded.operations,
      );
      // One node polls the log for all, so the mean would say nothing about the others.
      const value = summarize(each).median;
      samples.add(`${BYSTANDER}, ${unit}: ${name}`, label, value);
      line += `, not concerned ${value.toFixed(4)} (${each.map((one) => one.toFixed(2)).join(' ')}) ${unit}`;
    }
  }
  process.stderr.write(`${line}\n`);
}

const sum = (values: Iterable<number>): number => [...values].reduce((total, value) => total + value, 0);

/** Messages of other nodes that each node reads while batches are sent to users of one node, and of all. */
async function countMessages({ label, ports, target, spread }: Cluster, load: Load): Promise<string[]> {
  const lines: string[] = [];
  const count = async (where: string, to: Target): Promise<void> => {
    for (const isDurable of [false, true]) {
      const before = await Promise.all(ports.map(messagesOf));
      const { durationMs } = await load.ask(batches(COUNTED_BATCHES, isDurable)(to, 1));
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

const IDLE = 'idle node';
/** The median of these nodes. */
const BYSTANDER = 'a node that is not concerned';
const BYSTANDER_ROWS = [
  ['cpuMicros', 'µs CPU'],
  ['bytes', 'bytes read'],
  ['messages', 'messages read'],
] as const;

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
          unit: name === IDLE ? 'ms CPU each second' : name.startsWith(BYSTANDER) ? 'for each' : 'µs CPU for each',
          lines: [...byLabel].map(([label, samples]) => ({ label, samples })),
          comparisons: isTotal && first !== undefined ? others.map((of) => ({ of, against: first, bound: 1.2 })) : [],
        };
      }),
  };
}

import { startRedis } from '../../test/support/redis-server.js';
import { type Contestant, type ContestantName, startContestant } from './contestants.js';
import type { BenchOptions } from './main.js';
import { beginReport, type Measurement, publish, type ScenarioResult, toResult } from './results.js';
import { type Scenario, type ScenarioLine, scenarios } from './scenarios.js';
import type { LoadOrder, LoadResult } from './wire.js';
import { startWorker, type Worker } from './workers.js';

type Load = Worker<LoadOrder, LoadResult>;

/** The environment of the servers: a single node, or Redis. */
interface Setting {
  label: string;
  redisUrl: string | undefined;
}

/** Warm-up rounds, in which the servers' code is compiled. */
const WARM_UP_ROUNDS = 3;
const IDLE_CONNECTIONS = 2000;
/** Connected before the first memory sample, to exclude one-time allocations. */
const FIRST_CONNECTIONS = 200;
const IDLE_ROUNDS_MAX = 2;

/**
 * Compares the gateway with a bare Socket.IO server and a bare `ws` server. All run at once and are measured
 * alternately, without and with Redis.
 * @throws Error when a message was lost, repeated or wrong
 */
export async function run({ rounds, only }: BenchOptions): Promise<void> {
  const report = beginReport('gateway', [
    'CPU time of the server process, user and system, by its own clock; medians, in brackets the middle half.',
    `${rounds} rounds after ${WARM_UP_ROUNDS} of warm-up; servers alternate; ratios are computed within a round.`,
    'Each client compares every frame it gets with the expected one; a lost or repeated message aborts the run.',
  ]);
  const redis = await startRedis();
  const settings = [
    { label: 'one node', redisUrl: undefined },
    { label: 'Redis', redisUrl: redis.url },
  ];
  const { worker: load } = await startWorker<LoadOrder, LoadResult>('load/main');
  try {
    for (const setting of settings) {
      const wanted = scenarios.filter((scenario) => nameIn(setting, scenario).includes(only));
      report.scenarios.push(...(await compareProcessorTime(wanted, { setting, load, rounds })));
      const idleRounds = Math.min(rounds, IDLE_ROUNDS_MAX);
      if (nameIn(setting, { name: IDLE }).includes(only)) {
        report.scenarios.push(...(await compareMemory({ setting, load, rounds: idleRounds })));
      }
    }
  } finally {
    await load.stop();
    await redis.dispose();
  }
  await publish(report);
}

const nameIn = (setting: Setting, { name }: { name: string }): string => `${name}, ${setting.label}`;
const say = (line: string): void => void process.stderr.write(`${line}\n`);

interface Conditions {
  setting: Setting;
  load: Load;
  rounds: number;
}

async function compareProcessorTime(wanted: readonly Scenario[], conditions: Conditions): Promise<ScenarioResult[]> {
  const results: ScenarioResult[] = [];
  if (wanted.length === 0) return results;
  const contestants = await startAll(conditions.setting);
  try {
    for (const scenario of wanted) {
      say(nameIn(conditions.setting, scenario));
      results.push(toResult(await measure(scenario, { ...conditions, contestants })));
    }
  } finally {
    await Promise.all([...contestants.values()].map((contestant) => contestant.stop()));
  }
  return results;
}

type Contestants = Map<ContestantName, Contestant>;

async function startAll({ redisUrl }: Setting): Promise<Contestants> {
  const names: ContestantName[] = ['gateway', 'Socket.IO', 'ws'];
  const started = await Promise.all(names.map((name) => startContestant(name, redisUrl)));
  return new Map(started.map((contestant) => [contestant.name, contestant]));
}

async function measure(
  scenario: Scenario,
  { setting, load, rounds, contestants }: Conditions & { contestants: Contestants },
): Promise<Measurement> {
  const takePart = [...new Set(scenario.lines.map((line) => contestantOf(line, contestants)))];
  const before = new Map<Contestant, number>();
  for (const contestant of takePart) {
    before.set(contestant, (await contestant.usage()).connections);
    const { target } = contestant;
    if (scenario.clients > 0) await load.ask({ kind: 'connect', target, count: scenario.clients, inFlight: 32 });
  }
  const leave = async (contestant: Contestant): Promise<void> => {
    await load.ask({ kind: 'close', target: contestant.target });
    await contestant.settle(before.get(contestant) ?? 0);
  };

  const lines = scenario.lines.map((line) => ({ line, samples: [] as number[], rates: [] as number[] }));
  for (let round = -WARM_UP_ROUNDS; round < rounds; round += 1) {
    // Alternates the order of the servers between rounds, so that no server is always first.
    for (const { line, samples, rates } of round % 2 === 0 ? lines : lines.toReversed()) {
      const contestant = contestantOf(line, contestants);
      const order = line.order(contestant.target);
      const { cpuMicros } = await contestant.usage();
      const { operations, durationMs } = await load.ask(order);
      const after = await contestant.usage();
      if (order.kind === 'connect') await leave(contestant);
      if (round < 0) continue;
      samples.push((after.cpuMicros - cpuMicros) / operations);
      rates.push((operations / durationMs) * 1000);
    }
  }
  await Promise.all(takePart.map(leave));
  return {
    name: nameIn(setting, scenario),
    unit: scenario.unit,
    lines: lines.map(({ line, samples, rates }) => ({
      label: line.label,
      samples,
      operationsPerSecond: rates.reduce((sum, rate) => sum + rate, 0) / rates.length,
    })),
    comparisons: scenario.comparisons,
  };
}

function contestantOf({ contestant }: ScenarioLine, contestants: Contestants): Contestant {
  const found = contestants.get(contestant);
  if (found === undefined) throw new Error(`${contestant} is not running`);
  return found;
}

const IDLE = `idle connection, out of ${IDLE_CONNECTIONS}`;

/** Each sample uses a new process, because freed memory is not reliably returned to the system. */
async function compareMemory({ setting, load, rounds }: Conditions): Promise<ScenarioResult[]> {
  say(nameIn(setting, { name: IDLE }));
  const names: ContestantName[] = ['gateway', 'Socket.IO', 'ws'];
  const samples = names.map((label) => ({ label, heap: [] as number[], rss: [] as number[] }));
  for (let round = 0; round < rounds; round += 1) {
    for (const { label, heap, rss } of samples) {
      const memory = await memoryPerConnection(await startContestant(label, setting.redisUrl), load);
      heap.push(memory.heapBytes);
      rss.push(memory.rssBytes);
    }
  }
  const toMemoryResult = (kind: 'heap' | 'rss', bound?: number): ScenarioResult =>
    toResult({
      name: nameIn(setting, { name: IDLE }),
      unit: `bytes of ${kind === 'heap' ? 'heap' : 'RSS'} each`,
      lines: samples.map(({ label, [kind]: bytes }) => ({ label, samples: bytes })),
      comparisons: [
        { of: 'gateway', against: 'Socket.IO', ...(bound === undefined ? {} : { bound }) },
        { of: 'gateway', against: 'ws' },
      ],
    });
  return [toMemoryResult('heap', 0.8), toMemoryResult('rss')];
}

async function memoryPerConnection(
  contestant: Contestant,
  load: Load,
): Promise<{ heapBytes: number; rssBytes: number }> {
  const { target } = contestant;
  try {
    await load.ask({ kind: 'connect', target, count: FIRST_CONNECTIONS, inFlight: 32 });
    const before = await contestant.usageAfterCollection();
    await load.ask({ kind: 'connect', target, count: IDLE_CONNECTIONS, inFlight: 32 });
    const after = await contestant.usageAfterCollection();
    await load.ask({ kind: 'close', target });
    return {
      heapBytes: (after.heapBytes - before.heapBytes) / IDLE_CONNECTIONS,
      rssBytes: (after.rssBytes - before.rssBytes) / IDLE_CONNECTIONS,
    };
  } finally {
    await contestant.stop();
  }
}

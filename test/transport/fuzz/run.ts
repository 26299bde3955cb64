import type { Route } from '#shared/contracts/contract.js';
import { publishedContracts } from '#shared/contracts/index.js';
import { createRandom } from '../../support/random.js';
import { until } from '../../support/until.js';
import { createPlaces, type TrafficGenerator } from './generator.js';
import { createJudge, type Judge } from './judge.js';
import type { FuzzNode } from './node.js';
import { isAnswered } from './rest-generator.js';
import { openTarget } from './target.js';

/** Maximum number of inputs in flight. */
const IN_FLIGHT_MAX = 120;
/** Default of {@link RunOptions.marginMs}. */
const MARGIN_MS = 5000;
/** Warm-up inputs, after which code is compiled and caches are filled. */
const WARM_UP_SHARE = 0.1;
/** Maximum memory growth after the warm-up. */
const HEAP_MARGIN_BYTES = 32 * 2 ** 20;
const HEAP_TIMEOUT_MS = 90_000;
/** Maximum number of log lines of a node. */
const LINES_SHARE = 0.02;
const LINES_FREE = 100;

interface RunOptions {
  readonly seed: number;
  readonly inputs: number;
  /** Event deadline in the gateway's configuration. */
  readonly eventTimeoutMs: number;
  /** Tolerance beyond the gateway's own deadline. */
  readonly marginMs?: number;
  startNode(env: Record<string, string>): Promise<FuzzNode>;
}

/** The result of a run. */
export interface Run extends Pick<Judge, 'faults' | 'outcomes' | 'inputs'> {
  /** Events and routes of the contracts that never succeeded. */
  readonly untouched: readonly string[];
}

/**
 * Sends random inputs from callers of every kind to two nodes.
 * @returns faults, and counts by outcome
 */
export async function fuzz(options: RunOptions): Promise<Run> {
  const { seed, inputs, eventTimeoutMs, marginMs = MARGIN_MS, startNode } = options;
  const deadlineMs = eventTimeoutMs + marginMs;
  const judge = createJudge(deadlineMs);
  const { nodes, generators, witnesses, close } = await openTarget({ seed, startNode });
  try {
    const linesBefore = nodes.map(({ lines }) => lines.length);
    const play = (share: number, round: number) =>
      playAll(generators, {
        nodes,
        seed,
        round,
        inputs: share * inputs,
        judge,
        deadlineMs,
      });
    await play(WARM_UP_SHARE, 0);
    const bytesBefore = await Promise.all(nodes.map((node) => node.measure()));
    await play(1 - WARM_UP_SHARE, 1);
    await witnesses.question(judge);
    for (const [index, node] of nodes.entries()) {
      const before = { lines: linesBefore[index] ?? 0, bytes: bytesBefore[index] ?? 0 };
      await examine(node, { name: `node ${index}`, before, judge });
    }
    const untouched = everything.filter((name) => name !== REFUSED && !judge.succeeded.has(name));
    return { faults: judge.faults, outcomes: judge.outcomes, inputs: judge.inputs, untouched };
  } finally {
    await close();
  }
}

/** Refused in production. */
const REFUSED = 'post /console/api/token';

const everything = publishedContracts.flatMap(({ contract }) => [
  ...Object.keys(contract.clientEvents),
  ...Object.values<Route>(contract.routes)
    .filter(isAnswered)
    .map(({ method, path }) => `${method} ${path}`),
]);

interface Round {
  nodes: readonly FuzzNode[];
  seed: number;
  round: number;
  inputs: number;
  judge: Judge;
  deadlineMs: number;
}

async function playAll(
  generators: readonly TrafficGenerator[],
  { nodes, seed, round, inputs, judge, deadlineMs }: Round,
): Promise<void> {
  const weights = generators.reduce((sum, { weight }) => sum + weight, 0);
  const places = createPlaces(IN_FLIGHT_MAX);
  await Promise.all(
    generators.map(async (generator, index) => {
      const { url = '' } = nodes[(index + round) % nodes.length] ?? {};
      // Each generator has its own random numbers, so that its inputs do not depend on the timing of others.
      const random = createRandom(seed * 1_000_003 + index * 101 + round);
      const own = Math.ceil((inputs * generator.weight) / weights);
      await generator.play({ url, random, inputs: own, judge, deadlineMs, places });
    }),
  );
}

interface Examination {
  name: string;
  before: { lines: number; bytes: number };
  judge: Judge;
}

/** Checks a node once only the witnesses are connected. */
async function examine(node: FuzzNode, { name, before, judge }: Examination): Promise<void> {
  if (node.exit !== undefined) return judge.fault(`${name} has ended: ${node.exit} ${node.stderr.slice(-2000)}`);
  if (node.stderr !== '') judge.fault(`${name} said ${node.stderr.slice(0, 2000)}`);
  const lines = node.lines.slice(before.lines);
  for (const line of lines.filter(isError).slice(0, 5)) judge.fault(`${name} logged ${line.slice(0, 1500)}`);
  if (lines.length > LINES_FREE + LINES_SHARE * judge.inputs) {
    judge.fault(`${name} logged ${lines.length} lines, such as ${lines.slice(-5).join('\n')}`);
  }
  let more = 0;
  const isBack = until(async () => {
    more = (await node.measure()) - before.bytes;
    return more < HEAP_MARGIN_BYTES;
  });
  await judge.inTime(`${name} holds more than ${HEAP_MARGIN_BYTES} bytes more than before`, isBack, HEAP_TIMEOUT_MS);
  judge.outcome(`${name}: ${Math.round(more / 2 ** 20)} MB more, ${lines.length} lines`);
  for (const line of lines) judge.outcome(`logged: ${/"msg":"(.{0,80})/.exec(line)?.[1] ?? line.slice(0, 80)}`);
}

const isError = (line: string): boolean => /"level":[56]0/.test(line);

import { noteFigures, publishTable, type TableRow, toProgress } from './comparison-table.js';
import { type Contestant, type ContestantName, type Setting, startContestant, takingPart } from './contestants.js';
import { type Figures, toFigures } from './figures.js';
import { compareIdle } from './idle.js';
import type { BenchOptions } from './options.js';
import { idle, type Row, type Scenario, type Step, scenarios } from './scenarios.js';
import type { LoadOrder, LoadResult } from './wire.js';
import { startWorker, type Worker } from './workers.js';

type Load = Worker<LoadOrder, LoadResult>;

/** Unless a scenario has its own number. */
const WARM_UP_ROUNDS = 3;
/** In the database; `add_conversation` takes nine others each time. */
const USERS = 10_000;

/** Names of all scenarios of this suite. */
export const scenarioNames: readonly string[] = [...scenarios.map(({ name }) => name), idle.name];

const say = (line: string): void => void process.stderr.write(`${line}\n`);

/**
 * Compares the gateway with a bare Socket.IO server, a bare `ws` server, Centrifugo and the gateway of another checkout, as
 * far as there are such. All run at once and are measured in turns, on one node and on two.
 * @throws Error when a message was lost, repeated or wrong
 */
export async function run({
  rounds,
  only,
  nodes = [1, 2],
  against,
  connections,
  contestants,
}: BenchOptions): Promise<void> {
  const { worker: load } = await startWorker<LoadOrder, LoadResult>('load/main');
  const isWanted = ({ name }: { name: string }): boolean => only.length === 0 || only.includes(name);
  const rows: TableRow[] = [];
  const names = takingPart(contestants, against);
  try {
    for (const count of nodes) {
      const wanted = scenarios.filter((scenario) => isWanted(scenario) && (count === 1 || scenario.isForTwoNodes));
      const label = count === 1 ? 'one node' : `${count} nodes over Redis`;
      const setting: Setting = { label, nodes: count, users: USERS, against };
      if (wanted.length > 0) await compareAll(wanted, { setting, load, rounds, names, rows });
      if (isWanted(idle)) {
        const taking = names.filter((name) => idle.contestants.includes(name));
        await compareIdle({ setting, names: taking, connections, rounds, rows });
      }
    }
  } finally {
    // Also what was measured before a failure: a whole run takes a quarter of an hour.
    await publishTable(rows, rounds);
    await load.stop();
  }
}

interface Conditions {
  readonly setting: Setting;
  readonly load: Load;
  readonly rounds: number;
  /** Servers that take part. */
  readonly names: readonly ContestantName[];
  /** Gets what was measured. */
  readonly rows: TableRow[];
}

async function compareAll(wanted: readonly Scenario[], conditions: Conditions): Promise<void> {
  const names = conditions.names.filter((name) => wanted.some(({ contestants }) => contestants.includes(name)));
  const started = await Promise.all(names.map((name) => startContestant(name, conditions.setting)));
  const contestants = started.filter((contestant) => contestant !== undefined);
  try {
    for (const scenario of wanted) {
      const taking = contestants.filter(({ name }) => scenario.contestants.includes(name));
      const rows = await compare(scenario, { ...conditions, contestants: taking });
      conditions.rows.push(...rows);
      for (const row of rows) say(toProgress(row, rows));
    }
  } finally {
    await Promise.all(contestants.map((contestant) => contestant.stop()));
  }
}

async function compare(
  { begin, steps, warmUpRounds = WARM_UP_ROUNDS }: Scenario,
  { setting, load, rounds, contestants }: Omit<Conditions, 'rows'> & { contestants: readonly Contestant[] },
): Promise<TableRow[]> {
  for (const contestant of contestants) {
    for (const order of begin) await load.ask(order(contestant.target));
  }
  const rows = new Map<Step, TableRow>();
  for (const step of steps) {
    if (step.row !== undefined) rows.set(step, toTableRow(step.row, setting));
  }
  for (let round = -warmUpRounds * setting.nodes; round < rounds; round += 1) {
    // Alternates the order of the servers between rounds, so that no server is always first.
    for (const contestant of round % 2 === 0 ? contestants : contestants.toReversed()) {
      for (const step of steps) {
        const figures = await measure(step, contestant, load);
        if (round >= 0) noteFigures(rows.get(step), contestant.name, figures);
      }
    }
  }
  for (const { target, disconnected } of contestants) {
    await load.ask({ kind: 'close', target });
    await disconnected();
  }
  return [...rows.values()];
}

/** A row to be filled, with the bounds that are meant for its setting. */
const toTableRow = ({ bounds = [], ...row }: Row, { label, nodes }: Setting): TableRow => ({
  ...row,
  bounds: bounds.filter(({ isForOneNode }) => isForOneNode === undefined || nodes === 1),
  setting: label,
  cells: new Map(),
});

async function measure({ order }: Step, contestant: Contestant, load: Load): Promise<Figures> {
  await contestant.settle();
  const before = await contestant.consumption();
  const request = order(contestant.target);
  const result = await load.ask(request);
  if (request.kind === 'close') await contestant.disconnected();
  await contestant.settle();
  return toFigures(before, await contestant.consumption(), result);
}

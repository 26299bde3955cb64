import { setTimeout as pause } from 'node:timers/promises';
import { noteFigures, type TableRow, toProgress } from './comparison-table.js';
import {
  type Consumption,
  type Contestant,
  type ContestantName,
  type Setting,
  startContestant,
} from './contestants.js';
import { toFigures, toMemoryFigures } from './figures.js';
import { at } from './load/in-parallel.js';
import type { LoadOrder, LoadResult } from './wire.js';
import { startWorker, type Worker } from './workers.js';

/** Connected before the first memory sample, to exclude one-time allocations. */
const FIRST_CONNECTIONS = 200;
/** Time between two heartbeats of a connection, as in production. */
const HEARTBEAT_MS = 25_000;
/**
 * The young generation has its full size from the beginning. It grows to it during connects and shrinks at some collections, which
 * is up to 3 KiB for each connection.
 */
const NODE_OPTIONS = '--min-semi-space-size=16 --max-semi-space-size=16';

interface Conditions {
  readonly setting: Setting;
  readonly names: readonly ContestantName[];
  readonly connections: number;
  readonly rounds: number;
  /** Gets what was measured. */
  readonly rows: TableRow[];
}

/** A server, and its clients in a process of their own: one process may not open the files for the connections of all servers. */
interface Pair {
  readonly contestant: Contestant;
  readonly load: Worker<LoadOrder, LoadResult>;
}

/**
 * Idle connections, and what they hold in memory. All servers hold theirs at the same time, and a window is one for all of them, so
 * that they meet the same machine. A window lasts from one heartbeat of a connection to its next. The connects are spread over
 * this time, and with them the heartbeats. Garbage is collected in all servers and databases before the first window.
 *
 * The processes are new, because freed memory is not reliably returned to the system.
 */
export async function compareIdle({ setting, names, connections, rounds, rows }: Conditions): Promise<void> {
  const cpu: TableRow = {
    name: `idle, ${connections} connections`,
    setting: setting.label,
    unit: 'ms CPU each second',
    bounds: [{ most: 1.1, against: 'Socket.IO' }],
    cells: new Map(),
  };
  const memory: TableRow = {
    name: `RSS of each of ${connections} connections`,
    setting: setting.label,
    unit: 'KiB',
    bounds: [{ most: 15 }],
    cells: new Map(),
  };
  rows.push(cpu, memory);
  const pairs: Pair[] = [];
  try {
    for (const name of names) {
      const contestant = await startContestant(name, {
        ...setting,
        users: connections + FIRST_CONNECTIONS,
        pingIntervalMs: HEARTBEAT_MS,
        nodeOptions: NODE_OPTIONS,
      });
      if (contestant !== undefined) pairs.push(await connectFew(contestant));
    }
    const withFew = await sampleAtRest(pairs);
    // One after another: the machine could not keep up with all at once.
    for (const { contestant, load } of pairs) {
      const { target } = contestant;
      await load.ask({ kind: 'connect', target, count: connections, inFlight: 32, spreadOverMs: HEARTBEAT_MS });
    }
    const withAll = await sampleAtRest(pairs);
    for (const [n, { contestant }] of pairs.entries()) {
      const figures = toMemoryFigures(at(withFew, n).rssBytes, at(withAll, n).rssBytes, connections);
      noteFigures(memory, contestant.name, figures);
    }
    for (let round = 0; round < rounds; round += 1) await measureWindow(pairs, cpu);
    for (const row of [cpu, memory]) process.stderr.write(`${toProgress(row, rows)}\n`);
  } finally {
    await Promise.all(pairs.map(({ load }) => load.stop()));
    await Promise.all(pairs.map(({ contestant }) => contestant.stop()));
  }
}

async function connectFew(contestant: Contestant): Promise<Pair> {
  const { worker: load } = await startWorker<LoadOrder, LoadResult>('load/main');
  await load.ask({ kind: 'connect', target: contestant.target, count: FIRST_CONNECTIONS, inFlight: 32 });
  return { contestant, load };
}

const sample = (pairs: readonly Pair[]): Promise<Consumption[]> =>
  Promise.all(pairs.map(({ contestant }) => contestant.consumption()));

/** When what follows from connects is done, and free memory was returned to the system. */
async function sampleAtRest(pairs: readonly Pair[]): Promise<Consumption[]> {
  await pause(HEARTBEAT_MS);
  for (const { contestant } of pairs) await contestant.collectGarbage();
  return sample(pairs);
}

async function measureWindow(pairs: readonly Pair[], row: TableRow): Promise<void> {
  const before = await sample(pairs);
  const startedAt = performance.now();
  await pause(HEARTBEAT_MS);
  const after = await sample(pairs);
  const durationMs = performance.now() - startedAt;
  for (const [n, { contestant }] of pairs.entries()) {
    const figures = toFigures(at(before, n), at(after, n), { operations: durationMs / 1000, durationMs });
    noteFigures(row, contestant.name, figures);
  }
}

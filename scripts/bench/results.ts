import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describeMachine } from './machine.js';
import type { Report, ScenarioResult } from './report.js';
import { summarize } from './statistics.js';
import { toTable } from './table.js';

/** Samples of one server, taken alternately with the other servers. */
export interface Line {
  label: string;
  samples: readonly number[];
  /** Shown beside the result. Wall-clock time, so only indicative. */
  operationsPerSecond?: number;
}

/** Two lines to compare, round by round. */
interface Comparison {
  of: string;
  against: string;
  /** Upper bound of the ratio. */
  bound?: number;
}

/** The samples of a scenario. */
export interface Measurement {
  name: string;
  /** Unit of one sample, e.g. `µs CPU per request`. */
  unit: string;
  lines: readonly Line[];
  comparisons: readonly Comparison[];
}

/** Computes ratios within each round, so that temporary load affects both sides. */
export function toResult({ name, unit, lines, comparisons }: Measurement): ScenarioResult {
  const samplesOf = (label: string): readonly number[] => lines.find((line) => line.label === label)?.samples ?? [];
  const ratios = comparisons.map(({ of, against, bound }) => {
    const divisors = samplesOf(against);
    const value = summarize(samplesOf(of).map((sample, round) => sample / (divisors[round] ?? Number.NaN)));
    return { of, against, value, ...(bound === undefined ? {} : { bound, isWithinBound: value.median <= bound }) };
  });
  return {
    name,
    unit,
    lines: lines.map(({ samples, ...line }) => ({ ...line, value: summarize(samples) })),
    ratios,
  };
}

/** Begins a report. Records the machine's load before the benchmark. */
export const beginReport = (suite: string, notes: string[]): Report => ({
  suite,
  startedAt: new Date().toISOString(),
  machine: describeMachine(),
  notes,
  scenarios: [],
});

/** Prints the table and writes `bench-results/<suite>-<time>.json`. */
export async function publish(report: Report): Promise<void> {
  const directory = 'bench-results';
  const base = join(directory, `${report.suite}-${report.startedAt.replaceAll(/[:.]/g, '-')}`);
  await mkdir(directory, { recursive: true });
  await writeFile(`${base}.json`, `${JSON.stringify(report, null, 2)}\n`);
  process.stdout.write(`\n${toTable(report)}\nWritten: ${base}.json\n`);
}

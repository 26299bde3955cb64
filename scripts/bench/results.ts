import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describeMachine, type Machine } from './machine.js';
import { toPage } from './page.js';
import { type Summary, summarize } from './statistics.js';
import { toTable } from './table.js';

/** One thing measured on one server: the same number of samples as its rivals, taken in turns with them. */
export interface Line {
  label: string;
  samples: readonly number[];
  /** Shown beside the result; measured by the wall clock, so a hint only. */
  operationsPerSecond?: number;
}

/** Two lines to compare, round by round. */
export interface Comparison {
  of: string;
  against: string;
  /** The most that the ratio may be. */
  bound?: number;
}

/** What a scenario brought. */
export interface Measurement {
  name: string;
  /** Of one sample, e.g. `µs CPU per request`. */
  unit: string;
  lines: readonly Line[];
  comparisons: readonly Comparison[];
}

/** A measurement, summarised. */
export interface ScenarioResult {
  name: string;
  unit: string;
  lines: { label: string; value: Summary; operationsPerSecond?: number }[];
  ratios: { of: string; against: string; value: Summary; bound?: number; isWithinBound?: boolean }[];
}

/** What a suite writes. */
export interface Report {
  suite: string;
  startedAt: string;
  machine: Machine;
  /** Sentences on how it was measured. */
  notes: string[];
  scenarios: ScenarioResult[];
}

/** Ratios are taken within each round, so that what disturbs the machine for a while disturbs both sides. */
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

/** Begins a report; the machine is described before the load is on it. */
export const beginReport = (suite: string, notes: string[]): Report => ({
  suite,
  startedAt: new Date().toISOString(),
  machine: describeMachine(),
  notes,
  scenarios: [],
});

/** Prints the table and writes `bench-results/<suite>-<time>.json` and `.html`. */
export async function publish(report: Report): Promise<void> {
  const directory = 'bench-results';
  const base = join(directory, `${report.suite}-${report.startedAt.replaceAll(/[:.]/g, '-')}`);
  await mkdir(directory, { recursive: true });
  await writeFile(`${base}.json`, `${JSON.stringify(report, null, 2)}\n`);
  await writeFile(`${base}.html`, toPage(report));
  process.stdout.write(`\n${toTable(report)}\nWritten: ${base}.json, ${base}.html\n`);
}

import { HISTORY_STEPS } from '#shared/contracts/cluster.js';
import { quantileBetween, type Reading } from './readings.js';

/** Namespaces with a series of their own; the rest have one together. */
const NAMESPACES_MAX = 40;
/** Series of one node. Names come from the code and the settings, so that this is a guard. */
const SERIES_MAX = 150;

/** Values of one step by the names of their series. */
export type Sample = ReadonlyMap<string, number>;

/** The last samples of one node, column by column, as they travel between nodes. */
export interface Columns {
  /** Age of the newest sample in milliseconds. Clocks of nodes differ, so no time is sent. */
  readonly ageMs: number;
  readonly steps: number;
  /** Oldest first; `null`: there is no value in this step. */
  readonly series: Readonly<Record<string, readonly (number | null)[]>>;
  /** Steps without a sample, by index: the process was suspended. */
  readonly gaps: readonly number[];
}

/** The samples of the last hour of this node. */
export class History {
  readonly #stepMs: number;
  /** Oldest first; `undefined`: the process was suspended. */
  readonly #samples: (Sample | undefined)[] = [];
  readonly #namespaces = new Set<string>();
  readonly #names = new Set<string>();
  #last: { readonly reading: Reading; readonly atMs: number } | undefined;

  constructor(stepMs: number) {
    this.#stepMs = stepMs;
  }

  /** Takes the reading at the end of a step. @param atMs of a clock that does not jump */
  add(reading: Reading, atMs: number): void {
    const last = this.#last;
    this.#last = { reading, atMs };
    if (last === undefined) return;
    const steps = Math.round((atMs - last.atMs) / this.#stepMs);
    for (let missed = 1; missed < Math.min(steps, HISTORY_STEPS); missed += 1) this.#samples.push(undefined);
    this.#samples.push(this.#toSample(last.reading, reading, (atMs - last.atMs) / 1000));
    this.#samples.splice(0, this.#samples.length - HISTORY_STEPS);
  }

  /** The last samples. @param steps at most so many */
  columns(steps: number, atMs: number): Columns {
    const samples = this.#samples.slice(-steps);
    const names = new Set(samples.flatMap((sample) => [...(sample?.keys() ?? [])]));
    const toColumn = (name: string) => [name, samples.map((sample) => sample?.get(name) ?? null)] as const;
    return {
      ageMs: atMs - (this.#last?.atMs ?? atMs),
      steps: samples.length,
      series: Object.fromEntries([...names].map(toColumn)),
      gaps: samples.flatMap((sample, index) => (sample === undefined ? [index] : [])),
    };
  }

  #toSample(before: Reading, after: Reading, seconds: number): Sample {
    const sample = new Map<string, number>([['durable.waiting', after.waiting]]);
    for (const [namespace, count] of after.connections) {
      if (this.#namespaces.size < NAMESPACES_MAX) this.#namespaces.add(namespace);
      const name = `connections:${this.#namespaces.has(namespace) ? namespace : 'others'}`;
      sample.set(name, (sample.get(name) ?? 0) + count);
    }
    for (const [name, count] of after.counts) {
      sample.set(name, toRate(count - (before.counts.get(name) ?? 0), seconds));
    }
    for (const [name, quantile, which] of QUANTILES) {
      const value = quantileBetween(before[which], after[which], quantile);
      if (value !== undefined) sample.set(name, value);
    }
    for (const name of sample.keys()) {
      if (this.#names.size < SERIES_MAX) this.#names.add(name);
      if (!this.#names.has(name)) sample.delete(name);
    }
    return sample;
  }
}

const QUANTILES = [
  ['eventP50Ms', 0.5, 'events'],
  ['eventP99Ms', 0.99, 'events'],
  ['restP50Ms', 0.5, 'calls'],
  ['restP99Ms', 0.99, 'calls'],
] as const;

/** Of these series the highest value of any node counts; the others are added. */
export const isQuantile = (name: string): boolean => QUANTILES.some(([quantile]) => quantile === name);

/** A rate for each second. Thousandths are enough. */
export const toRate = (count: number, seconds: number): number =>
  seconds > 0 ? Math.round((count / seconds) * 1000) / 1000 : 0;

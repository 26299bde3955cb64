import { type IntervalHistogram, monitorEventLoopDelay } from 'node:perf_hooks';
import type { Registry } from 'prom-client';
import { HISTORY_STEP_S } from '#shared/contracts/cluster.js';
import type { Clock } from '../../platform/time/clock.js';
import { type Columns, History, toRate } from './history.js';
import { type Reading, readMetrics } from './readings.js';

const STEP_MS = HISTORY_STEP_S * 1000;
/** How often the delay of the event loop is measured. */
const LAG_RESOLUTION_MS = 50;
const LAG_PERCENTILE = 99;

/** The load of this node. */
export interface Load {
  readonly connectionsByNamespace: Readonly<Record<string, number>>;
  readonly waiting: number;
  /** Over the last one to two steps. */
  readonly eventsPerSecond: number;
  readonly emitsPerSecond: number;
  readonly eventLoopLagMs: number;
}

interface Dependencies {
  readonly registry: Registry;
  readonly clock: Clock;
}

/** Reads the metrics of this node every 10 seconds; nothing is added where they are counted. */
export class Sampler {
  readonly #registry: Registry;
  readonly #clock: Clock;
  readonly #history = new History(STEP_MS);
  readonly #delay: IntervalHistogram = monitorEventLoopDelay({ resolution: LAG_RESOLUTION_MS });
  /** The last two readings, the older one first. */
  #recent: readonly { readonly reading: Reading; readonly atMs: number }[] = [];
  /** Of the step before. */
  #lagMs = 0;

  constructor({ registry, clock }: Dependencies) {
    this.#registry = registry;
    this.#clock = clock;
  }

  /** @returns stops it */
  start(): () => Promise<void> {
    this.#delay.enable();
    let running = this.#sample();
    const cancel = this.#clock.every(STEP_MS, () => {
      running = running.then(() => this.#sample());
    });
    return async () => {
      cancel();
      this.#delay.disable();
      await running;
    };
  }

  async load(): Promise<Load> {
    const reading = await readMetrics(this.#registry);
    const [since = { reading, atMs: this.#clock.now() }] = this.#recent;
    const seconds = (this.#clock.now() - since.atMs) / 1000;
    const rateOf = (name: string): number =>
      toRate((reading.counts.get(name) ?? 0) - (since.reading.counts.get(name) ?? 0), seconds);
    return {
      connectionsByNamespace: Object.fromEntries(reading.connections),
      waiting: reading.waiting,
      eventsPerSecond: rateOf('events'),
      emitsPerSecond: rateOf('emits'),
      eventLoopLagMs: Math.max(this.#lagMs, this.#currentLagMs()),
    };
  }

  columns(steps: number): Columns {
    return this.#history.columns(steps, this.#clock.now());
  }

  async #sample(): Promise<void> {
    const reading = await readMetrics(this.#registry);
    const atMs = this.#clock.now();
    this.#recent = [...this.#recent.slice(-1), { reading, atMs }];
    this.#history.add(reading, atMs);
    this.#lagMs = this.#currentLagMs();
    this.#delay.reset();
  }

  /** The histogram holds the time between two measurements, which is the resolution when nothing delays them. */
  #currentLagMs(): number {
    if (this.#delay.count === 0) return 0;
    const lagMs = this.#delay.percentile(LAG_PERCENTILE) / 1e6 - LAG_RESOLUTION_MS;
    return Math.round(Math.max(0, lagMs) * 10) / 10;
  }
}

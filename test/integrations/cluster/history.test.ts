import { describe, expect, test } from 'vitest';
import { type Columns, History } from '../../../src/integrations/cluster/history.js';
import { mergeColumns } from '../../../src/integrations/cluster/merge.js';
import { type Buckets, quantileBetween, type Reading } from '../../../src/integrations/cluster/readings.js';
import { createRandom } from '../../support/random.js';

const STEP_MS = 10_000;
const NO_BUCKETS: Buckets = new Map();

const reading = (events: number, more: Partial<Reading> = {}): Reading => ({
  connections: new Map(),
  waiting: 0,
  events: NO_BUCKETS,
  calls: NO_BUCKETS,
  counts: new Map([['events', events]]),
  ...more,
});

/** What was counted in all steps that a series covers. */
const totalOf = (series: readonly (number | null)[] = []): number =>
  Math.round(series.reduce<number>((sum, rate) => sum + (rate ?? 0), 0) * (STEP_MS / 1000));

describe('a quantile', () => {
  const bounds = [0.001, 0.01, 0.1, 1, Number.POSITIVE_INFINITY];
  const toBuckets = (values: readonly number[]): Buckets =>
    new Map(bounds.map((bound) => [bound, values.filter((value) => value <= bound).length]));

  test('is in the bucket of the value of that rank', () => {
    const random = createRandom(7);
    for (let round = 0; round < 300; round += 1) {
      const values = (count: number) => Array.from({ length: count }, () => 10 ** (random.integer(5000) / 1000 - 4));
      const before = values(random.integer(20));
      const observed = values(1 + random.integer(50)).sort((one, other) => one - other);
      for (const quantile of [0.5, 0.99]) {
        const exact = observed[Math.ceil(quantile * observed.length) - 1] ?? 0;
        const upper = bounds.findIndex((bound) => exact <= bound);
        const found = quantileBetween(toBuckets(before), toBuckets([...before, ...observed]), quantile) ?? -1;
        // What is above the highest bound counts as that bound.
        const highest = Math.min(bounds[upper] ?? 0, 1) * 1000;
        expect(found).toBeGreaterThanOrEqual(Math.min((bounds[upper - 1] ?? 0) * 1000, highest));
        expect(found).toBeLessThanOrEqual(highest);
      }
    }
  });

  test('of nothing is not there', () => {
    const buckets = toBuckets([0.002, 0.5]);
    expect(quantileBetween(buckets, buckets, 0.99)).toBeUndefined();
    expect(quantileBetween(NO_BUCKETS, NO_BUCKETS, 0.99)).toBeUndefined();
  });
});

/** A node that takes samples by a clock of its own. */
function createNode(startedAt: number, offsetMs: number, stepMs = STEP_MS) {
  const history = new History(STEP_MS);
  let events = 0;
  let nextAt = startedAt;
  return {
    count: (by: number) => {
      events += by;
    },
    tick(at: number) {
      while (nextAt <= at) {
        history.add(reading(events), nextAt + offsetMs);
        nextAt += stepMs;
      }
    },
    columns: (at: number, steps = 360): Columns => JSON.parse(JSON.stringify(history.columns(steps, at + offsetMs))),
  };
}

describe('the history', () => {
  test('counts every event of every node once, whatever their clocks say and whenever they have started', () => {
    const random = createRandom(11);
    for (let round = 0; round < 40; round += 1) {
      const start = Date.UTC(2026, 0, 1) + random.integer(60_000);
      const nodes = Array.from({ length: 3 }, () =>
        createNode(start + random.integer(200_000), random.integer(1e9) - 5e8),
      );
      const counted = [0, 0, 0];
      let now = start + 200_000;
      for (const node of nodes) node.tick(now);
      for (let step = 0; step < 30; step += 1) {
        for (const [index, node] of nodes.entries()) {
          const events = random.integer(50);
          counted[index] = (counted[index] ?? 0) + events;
          node.count(events);
        }
        now += random.integer(9000);
        for (const node of nodes) node.tick(now);
      }
      // Until each node has read what it counted, and has taken one sample more.
      now += 3 * STEP_MS;
      for (const node of nodes) node.tick(now);
      const columns = nodes.map((node) => node.columns(now));
      const { series, fromMs } = mergeColumns(columns, { steps: 360, stepMs: STEP_MS, nowMs: now });
      expect(series['events']).toHaveLength(360);
      expect(fromMs % STEP_MS).toBe(0);
      expect(fromMs + 360 * STEP_MS).toBeLessThanOrEqual(now + STEP_MS);
      expect(totalOf(series['events'])).toBe(counted.reduce((sum, one) => sum + one, 0));
      // The last step is complete: the next samples of all nodes change nothing of it.
      expect(series['events']?.at(-1)).not.toBeNull();
    }
  });

  test('has no value for steps without a sample, and zero for what has not happened', () => {
    const one = new History(STEP_MS);
    one.add(reading(0), 0);
    one.add(
      reading(50, {
        counts: new Map([
          ['events', 50],
          ['errors:FORBIDDEN', 20],
        ]),
      }),
      10_000,
    );
    // The process was suspended for three steps.
    one.add(
      reading(90, {
        counts: new Map([
          ['events', 90],
          ['errors:FORBIDDEN', 20],
        ]),
      }),
      50_000,
    );
    const other = new History(STEP_MS);
    other.add(reading(0), 20_000);
    other.add(reading(10), 30_000);
    other.add(reading(10), 40_000);
    other.add(reading(40), 50_000);
    const columns = [one.columns(360, 50_000), other.columns(360, 50_000)];
    const { series } = mergeColumns(columns, { steps: 7, stepMs: STEP_MS, nowMs: 50_000 });
    // The samples stand in the steps that end at 10, 30, 40 and 50 s.
    expect(series['events']).toEqual([null, null, 5, null, 1, 0, 4]);
    expect(series['errors:FORBIDDEN']).toEqual([null, null, 2, null, 0, 0, 0]);
  });

  test('takes quantiles of the slowest node, and adds the rest', () => {
    const columns = (values: Columns['series']): Columns => ({ ageMs: 0, steps: 2, gaps: [], series: values });
    const nodes = [
      columns({ eventP99Ms: [5, null], emits: [1, 2] }),
      columns({ eventP99Ms: [3, null], emits: [1, 1] }),
    ];
    const { series } = mergeColumns(nodes, { steps: 2, stepMs: STEP_MS, nowMs: 25_000 });
    expect(series).toEqual({ eventP99Ms: [5, null], emits: [2, 3] });
  });

  test('is bounded in steps and series, whatever happens', () => {
    const history = new History(STEP_MS);
    const connections = new Map(Array.from({ length: 100 }, (_, index) => [`/site-${index}`, 1]));
    for (let step = 0; step < 400; step += 1) {
      const counts = new Map(Array.from({ length: 10 }, (_, index) => [`errors:${step}-${index}`, step]));
      history.add(reading(step, { connections, counts }), step * STEP_MS);
    }
    // A clock that jumps.
    history.add(reading(1e6, { connections }), 1e12);
    history.add(reading(2e6, { connections }), 0);
    const { series, steps } = history.columns(1000, 0);
    expect(steps).toBe(360);
    expect(Object.keys(series).length).toBeLessThanOrEqual(150);
    const last = Object.entries(series).filter(([name]) => name.startsWith('connections:'));
    expect(last).toHaveLength(41);
    expect(last.reduce((sum, [, values]) => sum + (values.at(-1) ?? 0), 0)).toBe(100);
  });

  test('of no node is empty', () => {
    expect(mergeColumns([], { steps: 3, stepMs: STEP_MS, nowMs: 25_000 })).toEqual({ fromMs: 0, series: {} });
    const fresh = new History(STEP_MS);
    fresh.add(reading(0), 20_000);
    expect(mergeColumns([fresh.columns(360, 25_000)], { steps: 3, stepMs: STEP_MS, nowMs: 25_000 }).series).toEqual({});
  });
});

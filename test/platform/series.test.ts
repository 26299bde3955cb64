import { Counter, Histogram, Registry } from 'prom-client';
import { expect, test } from 'vitest';
import { createCounter, createHistogram } from '../../src/platform/series.js';

const BOUNDS = [0.5, 1, 2.5];

test('counters and histograms give the same output as those of the library', async () => {
  const ours = new Registry();
  const theirs = new Registry();
  const counterOptions = { name: 'uses_total', help: 'Uses', labelNames: ['kind', 'code'] as const };
  const histogramOptions = { name: 'seconds', help: 'Seconds', labelNames: ['route', 'status'] as const };
  const counters = [
    createCounter({ ...counterOptions, registry: ours }),
    new Counter({ ...counterOptions, registers: [theirs] }),
  ];
  const histograms = [
    createHistogram({ ...histogramOptions, registry: ours }, BOUNDS),
    new Histogram({ ...histogramOptions, buckets: BOUNDS, registers: [theirs] }),
  ];
  for (const counter of counters) {
    counter.inc({ kind: 'a', code: 'x' });
    counter.inc({ kind: 'a', code: 'x' }, 4);
    counter.inc({ code: 'y', kind: 'a' }, 0);
    counter.inc({ kind: 'b"\n\\', code: 'x' });
  }
  for (const histogram of histograms) {
    for (const value of [0.1, 0.5, 0.50001, 2.5, 3, 0]) histogram.observe({ route: '/a', status: 200 }, value);
    histogram.observe({ status: 404, route: '/a' }, 1);
  }

  expect((await ours.metrics()).split('\n').toSorted()).toEqual((await theirs.metrics()).split('\n').toSorted());
});

test('a metric without values has no series', async () => {
  const registry = new Registry();
  createCounter({ name: 'uses_total', help: 'Uses', labelNames: ['kind'], registry });
  expect(await registry.metrics()).toBe('# HELP uses_total Uses\n# TYPE uses_total counter\n');
});

import { expect, test } from 'vitest';
import { createMetrics } from '../../src/platform/metrics.js';
import { createMachineMetrics } from '../../src/workers/metrics.js';
import { parseMetrics } from '../support/prometheus.js';

test('counters and histograms are summed and never fall; gauges are combined by what they mean', async () => {
  const combined = createMachineMetrics();
  const workers = new Map(['1', '2'].map((name) => [name, createMetrics()]));
  const read = async (): Promise<Record<string, number>> => {
    const snapshots = [...workers].map(
      async ([name, { registry }]) => [name, await registry.getMetricsAsJSON()] as const,
    );
    const families = parseMetrics(await combined.combine(new Map(await Promise.all(snapshots))));
    const samples = [...families.values()].flatMap((family) => family.samples);
    const names = ['gateway_connections', 'gateway_dependency_up', 'gateway_event_seconds_count'];
    const sum = (name: string): number =>
      samples.filter((sample) => sample.name === name).reduce((total, { value }) => total + value, 0);
    return Object.fromEntries(
      [...names, 'gateway_durable_resyncs_total', 'gateway_build_info'].map((name) => [name, sum(name)]),
    );
  };
  for (const { resyncs, connections, dependencyUp, eventSeconds } of workers.values()) {
    resyncs.inc({}, 3);
    connections.set({ namespace: '/' }, 4);
    dependencyUp.set({ dependency: 'redis' }, 1);
    eventSeconds.observe({ namespace: '/' }, 0.1);
  }
  workers.get('2')?.dependencyUp.set({ dependency: 'redis' }, 0);
  const both = {
    gateway_connections: 8,
    gateway_dependency_up: 0,
    gateway_event_seconds_count: 2,
    gateway_durable_resyncs_total: 6,
    gateway_build_info: 1,
  };
  expect(await read()).toMatchObject(both);

  workers.delete('1');
  await combined.retire('1');
  expect(await read()).toMatchObject({ ...both, gateway_connections: 4 });
  workers.set('1', createMetrics());
  expect(await read()).toMatchObject({ ...both, gateway_connections: 4 });
});

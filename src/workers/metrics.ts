import { AggregatorRegistry } from 'prom-client';
import type { MetricsSnapshot } from '../platform/metrics.js';

/** Gauges of a process itself: a sum or mean of them would hide the one process that matters. */
const OF_PROCESS = /^(?:process|nodejs)_/;

/** The metrics of all workers as one. */
export interface MachineMetrics {
  /**
   * Counters and histograms are added up, gauges of the gateway combined, and gauges of Node.js get the label `worker`.
   * @param snapshots by worker; a worker that does not answer is represented by its last snapshot
   * @returns text in the format of Prometheus
   */
  combine(snapshots: ReadonlyMap<string, MetricsSnapshot>): Promise<string>;
  /** A worker has ended. What it has counted until the last {@link combine} stays in the sums, so that they never fall. */
  retire(worker: string): Promise<void>;
}

/** Without a worker at first. */
export function createMachineMetrics(): MachineMetrics {
  const last = new Map<string, MetricsSnapshot>();
  let retired: MetricsSnapshot = [];
  return {
    async combine(snapshots) {
      for (const [worker, snapshot] of snapshots) last.set(worker, snapshot);
      const labelled = [...last].map(([worker, snapshot]) => withWorker(snapshot, worker));
      return toRegistry([...labelled, retired]).metrics();
    },
    async retire(worker) {
      const snapshot = last.get(worker);
      last.delete(worker);
      if (snapshot === undefined) return;
      const counted = snapshot.filter(({ type }) => ['counter', 'histogram'].includes(String(type)));
      retired = await toRegistry([retired, counted]).getMetricsAsJSON();
    },
  };
}

const toRegistry = (snapshots: readonly MetricsSnapshot[]) => AggregatorRegistry.aggregate([...snapshots]);

const isGauge = ({ name, type }: MetricsSnapshot[number]): boolean => String(type) === 'gauge' && OF_PROCESS.test(name);

function withWorker(snapshot: MetricsSnapshot, worker: string): MetricsSnapshot {
  return snapshot.map((metric) =>
    isGauge(metric)
      ? {
          ...metric,
          aggregator: 'first',
          values: metric.values.map((value) => ({ ...value, labels: { ...value.labels, worker } })),
        }
      : metric,
  );
}

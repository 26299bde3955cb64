import type { Registry } from 'prom-client';

/** What the metrics say at one moment. Counts grow from the start of the process. */
export interface Reading {
  /** Sockets by namespace. */
  readonly connections: ReadonlyMap<string, number>;
  /** Durable messages that are not acknowledged. */
  readonly waiting: number;
  /** By the names of the series. */
  readonly counts: ReadonlyMap<string, number>;
  /** Counts by upper bound in seconds, ascending and cumulative, as Prometheus has them. */
  readonly events: Buckets;
  readonly calls: Buckets;
}

/** Counts by upper bound. */
export type Buckets = ReadonlyMap<number, number>;

interface Value {
  readonly metricName?: string;
  readonly labels: Readonly<Partial<Record<string, string | number>>>;
  readonly value: number;
}

/** Reads the metrics of the registry that the overview shows. Those of Node.js are left alone: reading resets some. */
export async function readMetrics(registry: Registry): Promise<Reading> {
  const valuesOf = async (name: string): Promise<readonly Value[]> =>
    (await registry.getSingleMetric(name)?.get())?.values ?? [];
  const counts = new Map<string, number>();
  const count = (values: readonly Value[], nameOf: (labels: Value['labels']) => string | undefined): void => {
    for (const { labels, value } of values) {
      const name = nameOf(labels);
      if (name !== undefined) counts.set(name, (counts.get(name) ?? 0) + value);
    }
  };
  const toError = ({ code }: Value['labels']) => (code === 'SUCCESS' ? undefined : `errors:${code}`);
  for (const name of ['events', 'emits', 'deliveries', 'durable.acknowledged', 'durable.expired']) counts.set(name, 0);
  const events = await valuesOf('gateway_events_total');
  const durable = await valuesOf('gateway_durable_messages_total');
  const callTimes = await valuesOf('gateway_request_seconds');
  count(events, () => 'events');
  count(events, toError);
  count(await valuesOf('gateway_connection_refusals_total'), toError);
  count(await valuesOf('gateway_emits_total'), () => 'emits');
  count(await valuesOf('gateway_deliveries_total'), () => 'deliveries');
  count(durable, ({ state }) => (state === 'acknowledged' ? 'durable.acknowledged' : undefined));
  count(await valuesOf('gateway_durable_expirations_total'), () => 'durable.expired');
  count(await valuesOf('gateway_pushes_total'), ({ result }) => `pushes:${result}`);
  count(callTimes.filter(isCount), ({ status }) => (Number(status) >= 400 ? `errors:HTTP ${status}` : undefined));
  const connections = await valuesOf('gateway_connections');
  const [waiting] = await valuesOf('gateway_durable_waiting_messages');
  return {
    connections: new Map(connections.map(({ labels, value }) => [String(labels['namespace']), value])),
    waiting: waiting?.value ?? 0,
    counts,
    events: toBuckets(await valuesOf('gateway_event_seconds')),
    calls: toBuckets(callTimes),
  };
}

const isCount = ({ metricName = '' }: Value): boolean => metricName.endsWith('_count');

function toBuckets(values: readonly Value[]): Buckets {
  const buckets = new Map<number, number>();
  for (const { metricName = '', labels, value } of values) {
    if (!metricName.endsWith('_bucket')) continue;
    const bound = labels['le'] === '+Inf' ? Number.POSITIVE_INFINITY : Number(labels['le']);
    buckets.set(bound, (buckets.get(bound) ?? 0) + value);
  }
  return new Map([...buckets].sort(([one], [other]) => one - other));
}

/**
 * A quantile of what was observed between two readings, interpolated within its bucket.
 * @returns milliseconds; the highest bound for what is above it; `undefined`: nothing was observed
 */
export function quantileBetween(before: Buckets, after: Buckets, quantile: number): number | undefined {
  const grown = [...after].map(([bound, count]) => [bound, count - (before.get(bound) ?? 0)] as const);
  const rank = quantile * (grown.at(-1)?.[1] ?? 0);
  if (rank === 0) return undefined;
  let [lower, below] = [0, 0];
  for (const [bound, count] of grown) {
    if (count >= rank) {
      if (bound === Number.POSITIVE_INFINITY) return toMs(lower);
      return toMs(lower + ((bound - lower) * (rank - below)) / (count - below));
    }
    [lower, below] = [bound, count];
  }
  return toMs(lower);
}

/** Thousandths are enough. */
const toMs = (seconds: number): number => Math.round(seconds * 1_000_000) / 1000;

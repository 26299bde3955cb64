import type { JSX } from 'preact';
import { useMemo } from 'preact/hooks';
import { formatMs, formatNumber, formatShort } from '../format.js';
import { Chart } from '../parts/chart.js';
import { Empty } from '../parts/states.js';
import { type History, linesNamed, linesWithPrefix, trimHistory } from '../series.js';

/** As many as there are colours. */
const LINES = 8;
/** Ten minutes: a gateway that has just started has no hour yet. */
const LEAST_STEPS = 60;

/** What happened in the last hour, on all nodes together. */
export function Charts({ history }: { history: History }): JSX.Element {
  const shown = useMemo(() => trimHistory(history, LEAST_STEPS), [history]);
  const times = useMemo(() => toTimes(shown), [shown]);
  const charts = useMemo(() => toCharts(shown), [shown]);
  if (times.length === 0) {
    return (
      <Empty>
        <p>The charts begin with the first samples, some seconds after the start of a node.</p>
      </Empty>
    );
  }
  return (
    <section class="charts" aria-label="The last hour">
      {charts.map((chart) => (
        <Chart key={chart.title} times={times} {...chart} />
      ))}
    </section>
  );
}

const toTimes = ({ from, stepSeconds, series }: History): number[] => {
  const start = Date.parse(from);
  const length = Math.max(0, ...Object.values(series).map((values) => values.length));
  return Array.from({ length }, (_, index) => start + index * stepSeconds * 1000);
};

const counts = { toText: (value: number | null | undefined) => formatNumber(value), toShortText: formatShort };
const durations = { toText: formatMs };

const toCharts = ({ series }: History) => [
  {
    title: 'Connections',
    unit: 'sockets by namespace and site',
    lines: linesWithPrefix(series, 'connections:', LINES),
    isWhole: true,
    ...counts,
  },
  { title: 'Traffic', unit: 'per second', lines: linesNamed(series, TRAFFIC), ...counts },
  {
    title: 'Durable messages waiting',
    unit: 'for connected devices',
    lines: linesNamed(series, WAITING),
    isWhole: true,
    ...counts,
  },
  { title: 'Durable messages ended', unit: 'per second', lines: linesNamed(series, ENDED), ...counts },
  {
    title: 'Push notifications',
    unit: 'per second, by result',
    lines: linesWithPrefix(series, 'pushes:', LINES),
    ...counts,
  },
  { title: 'Errors', unit: 'per second, by code', lines: linesWithPrefix(series, 'errors:', LINES), ...counts },
  { title: 'Events: time to answer', unit: 'slowest node', lines: linesNamed(series, EVENT_TIMES), ...durations },
  { title: 'REST: time to answer', unit: 'slowest node', lines: linesNamed(series, REST_TIMES), ...durations },
];

const TRAFFIC = { events: 'events', emits: 'emits', deliveries: 'deliveries' };
const WAITING = { 'durable.waiting': 'waiting' };
const ENDED = { 'durable.acknowledged': 'acknowledged', 'durable.expired': 'expired' };
const EVENT_TIMES = { eventP50Ms: 'p50', eventP99Ms: 'p99' };
const REST_TIMES = { restP50Ms: 'p50', restP99Ms: 'p99' };

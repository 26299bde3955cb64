import type { Histogram, Registry } from 'prom-client';

/** A value for each label. Labels take only names that the code knows, which bounds their combinations. */
type Labels<Name extends string> = Readonly<Record<Name, string | number>>;

interface SeriesOptions<Name extends string> {
  name: string;
  help: string;
  labelNames: readonly Name[];
  registry: Registry;
  /** How the values of several processes become one; absent: their sum. */
  aggregator?: 'sum' | 'max';
}

/** Counts in plain numbers. */
export interface FastCounter<Name extends string> {
  inc(labels: Labels<Name>, by?: number): void;
}

/** Counts values by bucket. */
export interface FastHistogram<Name extends string> {
  observe(labels: Labels<Name>, value: number): void;
}

/**
 * A counter for hot paths. The library's counter validates, sorts and joins the labels on each use, which costs as much
 * as the rest of a small request. Here that happens when the metrics are read.
 */
export function createCounter<Name extends string>(options: SeriesOptions<Name>): FastCounter<Name> {
  const seriesOf = createSeries(options.labelNames, () => ({ count: 0 }));
  if (hasNoLabels(options)) seriesOf({} as Labels<Name>);
  register(options, {
    type: 'counter',
    values: () => seriesOf.all().map(({ labels, state }) => ({ labels, value: state.count })),
  });
  return {
    inc(labels, by = 1) {
      seriesOf(labels).count += by;
    },
  };
}

/** A histogram for hot paths, as {@link createCounter}. @param bounds upper bounds of the buckets, ascending */
export function createHistogram<Name extends string>(
  options: SeriesOptions<Name>,
  bounds: readonly number[],
): FastHistogram<Name> {
  const { name, labelNames } = options;
  const limits = [...bounds, Number.POSITIVE_INFINITY];
  const seriesOf = createSeries(labelNames, () => ({ sum: 0, buckets: limits.map(() => 0) }));
  if (hasNoLabels(options)) seriesOf({} as Labels<Name>);

  const toValues = ({ labels, state }: { labels: Labels<Name>; state: { sum: number; buckets: number[] } }) => {
    let count = 0;
    const buckets = state.buckets.map((inBucket, index) => {
      count += inBucket;
      const limit = limits[index] ?? Number.POSITIVE_INFINITY;
      const le = limit === Number.POSITIVE_INFINITY ? '+Inf' : limit;
      return { metricName: `${name}_bucket`, labels: { le, ...labels }, value: count };
    });
    return [
      ...buckets,
      { metricName: `${name}_sum`, labels, value: state.sum },
      { metricName: `${name}_count`, labels, value: count },
    ];
  };
  register(options, { type: 'histogram', values: () => seriesOf.all().flatMap(toValues) });

  return {
    observe(labels, value) {
      const state = seriesOf(labels);
      let index = 0;
      while (value > (limits[index] ?? value)) index += 1;
      state.sum += value;
      state.buckets[index] = (state.buckets[index] ?? 0) + 1;
    },
  };
}

/** Then the one series begins with 0, so that its first increase can be seen. */
const hasNoLabels = ({ labelNames }: Pick<SeriesOptions<string>, 'labelNames'>): boolean => labelNames.length === 0;

/** Values that are read when the metrics are. */
export interface ObservedGauge<Name extends string> {
  /** @param read `undefined`: there is no value now */
  observe(labels: Labels<Name>, read: () => number | undefined): void;
}

/** A gauge that costs nothing between two reads of the metrics. */
export function createObservedGauge<Name extends string>(options: SeriesOptions<Name>): ObservedGauge<Name> {
  const seriesOf = createSeries(options.labelNames, () => ({ read: (): number | undefined => undefined }));
  register(options, {
    type: 'gauge',
    values: () =>
      seriesOf.all().flatMap(({ labels, state }) => {
        const value = state.read();
        return value === undefined ? [] : [{ labels, value }];
      }),
  });
  return {
    observe(labels, read) {
      seriesOf(labels).read = read;
    },
  };
}

/** Looks up the state of a label combination, and creates it on first use. */
function createSeries<Name extends string, State>(labelNames: readonly Name[], create: () => State) {
  const known = new Map<string, { labels: Labels<Name>; state: State }>();
  const find = (labels: Labels<Name>): State => {
    let key = '';
    for (const name of labelNames) key += `${labels[name]}\n`;
    const found = known.get(key);
    if (found !== undefined) return found.state;
    const state = create();
    known.set(key, { labels: { ...labels }, state });
    return state;
  };
  return Object.assign(find, { all: () => [...known.values()] });
}

/** Registers a metric: the registry needs only its name and, on read, its values. */
function register(
  { registry, name, help, aggregator = 'sum' }: Omit<SeriesOptions<string>, 'labelNames'>,
  { type, values }: { type: 'counter' | 'gauge' | 'histogram'; values: () => unknown[] },
): void {
  const metric = { name, help, get: async () => ({ name, help, type, values: values(), aggregator }) };
  registry.registerMetric(metric as unknown as Histogram);
}

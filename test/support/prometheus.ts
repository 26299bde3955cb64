/** One line of a scrape. */
export interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** A metric with all of its series. */
export interface Family {
  readonly name: string;
  readonly type: string;
  readonly help: string;
  readonly samples: Sample[];
}

const SAMPLE = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)(?: \d+)?$/;
const LABEL = /([a-zA-Z_]\w*)="((?:[^"\\\n]|\\["\\n])*)"(?:,|$)/y;

/** Parses the text format of Prometheus. @throws Error for a line that is not of the format, or a sample without its type */
export function parseMetrics(text: string): Map<string, Family> {
  const families = new Map<string, Family>();
  const helps = new Map<string, string>();
  for (const line of text.split('\n').filter((one) => one !== '')) {
    const [, kind, of = '', rest = ''] = /^# (HELP|TYPE) (\S+) ?(.*)$/.exec(line) ?? [];
    if (kind === 'HELP') helps.set(of, rest);
    else if (kind === 'TYPE') {
      if (families.has(of)) throw new Error(`${of} is declared twice`);
      families.set(of, { name: of, type: rest, help: helps.get(of) ?? '', samples: [] });
    } else addSample(families, line);
  }
  return families;
}

function addSample(families: ReadonlyMap<string, Family>, line: string): void {
  const [, name = '', labels = '', value = ''] = SAMPLE.exec(line) ?? [];
  const family = families.get(name) ?? families.get(name.replace(/_(?:bucket|sum|count)$/, ''));
  if (family === undefined) throw new Error(`no type, or not of the format: ${line}`);
  family.samples.push({ name, labels: parseLabels(labels), value: toNumber(value) });
}

function parseLabels(text: string): Record<string, string> {
  const labels: Record<string, string> = {};
  LABEL.lastIndex = 0;
  while (LABEL.lastIndex < text.length) {
    const [, name = '', value = ''] = LABEL.exec(text) ?? [];
    if (name === '') throw new Error(`not labels: ${text}`);
    labels[name] = value;
  }
  return labels;
}

function toNumber(text: string): number {
  if (text === '+Inf') return Number.POSITIVE_INFINITY;
  const value = text === 'Nan' || text === 'NaN' ? Number.NaN : Number(text);
  if (Number.isNaN(value) && !/^nan$/i.test(text)) throw new Error(`not a number: ${text}`);
  return value;
}

/** Units that are not base units, and abbreviations. */
const NOT_BASE =
  /(?:^|_)(ms|milliseconds|us|microseconds|ns|minutes|min|hours|days|weeks|sec|s|kb|mb|gb|kilobytes|megabytes|bits|percent|percentage)(?:_|$)/;

/** Breaches of the naming rules (prometheus.io/docs/practices/naming), and of the rules that `promtool check metrics` has. */
export function problemsOf(family: Family): string[] {
  const { name, type, help } = family;
  const unit = NOT_BASE.exec(name)?.[1];
  const rules: [boolean, string][] = [
    [/^[a-z][a-z0-9]*(?:_[a-z0-9]+)*$/.test(name), 'is not in lower case with underscores'],
    [help.trim() !== '', 'has no help'],
    [type !== 'counter' || name.endsWith('_total'), 'is a counter: a counter ends with _total'],
    [type === 'counter' || !name.endsWith('_total'), 'is none: only a counter ends with _total'],
    [!/_(?:bucket|sum|count)$/.test(name), 'has a suffix of histograms'],
    [unit === undefined, `needs a base unit, not ${unit}`],
    [!/(?:^|_)(?:counter|gauge|histogram|summary|metric)(?:_|$)/.test(name), 'has the type in the name'],
    [!name.endsWith('_info') || family.samples.every(({ value }) => value === 1), 'is information, and is not 1'],
    [type !== 'histogram' || /_(?:seconds|bytes)$/.test(name), 'is a histogram without a unit'],
  ];
  const broken = rules.flatMap(([holds, problem]) => (holds ? [] : [problem]));
  return [...broken, ...labelProblems(family), ...bucketProblems(family)].map((problem) => `${name} ${problem}`);
}

function labelProblems({ type, samples }: Family): string[] {
  const problems = new Set<string>();
  const seen = new Set<string>();
  for (const { name, labels } of samples) {
    for (const label of Object.keys(labels)) {
      if (label === 'le' && type !== 'histogram') problems.add('has the reserved label le');
      if (!/^[a-z][a-z0-9_]*$/.test(label)) problems.add(`has the label ${label}, which is not in lower case`);
    }
    const series = JSON.stringify([name, Object.entries(labels).sort()]);
    if (seen.has(series)) problems.add('has a series twice');
    seen.add(series);
  }
  return [...problems];
}

/** Buckets rise, and the last one counts everything. */
function bucketProblems({ name, type, samples }: Family): string[] {
  if (type !== 'histogram') return [];
  const groups = new Map<string, Sample[]>();
  const keyOf = ({ le: _, ...labels }: Sample['labels']): string => JSON.stringify(Object.entries(labels).sort());
  for (const sample of samples) groups.set(keyOf(sample.labels), [...(groups.get(keyOf(sample.labels)) ?? []), sample]);
  return [...groups.values()].flatMap((group) => {
    const buckets = group.filter((sample) => sample.name === `${name}_bucket`);
    const count = group.find((sample) => sample.name === `${name}_count`)?.value;
    if (buckets.at(-1)?.labels['le'] !== '+Inf') return ['has no bucket +Inf'];
    const isRising = buckets.every(({ value }, index) => value >= (buckets[index - 1]?.value ?? 0));
    return isRising && buckets.at(-1)?.value === count ? [] : ['has buckets that fall, or miss something'];
  });
}

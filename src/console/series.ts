/** Samples of one thing, oldest first; `null`: there is none. */
export type Values = readonly (number | null)[];

/** Samples in equal steps, by the name of what was measured. */
export interface History {
  readonly stepSeconds: number;
  /** Beginning of the first step: an ISO time. */
  readonly from: string;
  readonly series: Readonly<Record<string, Values>>;
}

/** One line of a chart. */
export interface Line {
  readonly name: string;
  readonly values: Values;
}

/** What a chart calls the lines that it does not show one by one. */
export const REST = 'others';

/**
 * Adds newer samples to older ones and keeps the length of the older. Where both have a step the newer sample counts, and
 * where the newer has none the older stays: a node that has ended takes its samples with it, the page does not.
 * @returns `undefined` when steps between them are missing, or the two do not fit
 */
export function mergeHistory(old: History, recent: History): History | undefined {
  const stepMs = old.stepSeconds * 1000;
  const offset = Math.round((Date.parse(recent.from) - Date.parse(old.from)) / stepMs);
  const length = lengthOf(old);
  // An answer without a sample has no length.
  if (lengthOf(recent) === 0) return old;
  if (length === 0) return undefined;
  const shift = offset + lengthOf(recent) - length;
  if (recent.stepSeconds !== old.stepSeconds || offset < 0 || offset > length) return undefined;
  const names = new Set([...Object.keys(old.series), ...Object.keys(recent.series)]);
  const merge = (name: string): Values =>
    Array.from({ length }, (_, index) => {
      const position = index + shift;
      return recent.series[name]?.[position - offset] ?? old.series[name]?.[position] ?? null;
    });
  return {
    stepSeconds: old.stepSeconds,
    from: new Date(Date.parse(old.from) + shift * stepMs).toISOString(),
    series: Object.fromEntries(
      [...names].map((name) => [name, merge(name)] as const).filter(([, values]) => hasAny(values)),
    ),
  };
}

/** Without the steps at the beginning that have no sample, but with at least so many steps. */
export function trimHistory(history: History, leastSteps: number): History {
  const all = Object.values(history.series);
  const length = lengthOf(history);
  const first = Array.from({ length }, (_, index) => index).find((index) =>
    all.some((values) => isThere(values[index])),
  );
  const start = Math.max(0, Math.min(first ?? length, length - leastSteps));
  if (start === 0) return history;
  return {
    ...history,
    from: new Date(Date.parse(history.from) + start * history.stepSeconds * 1000).toISOString(),
    series: Object.fromEntries(Object.entries(history.series).map(([name, values]) => [name, values.slice(start)])),
  };
}

/**
 * How many of the last steps to ask for, so that no step is missing after {@link mergeHistory}. The last steps are asked for
 * again, because they were not complete.
 * @param passedMs since the last answer; only a duration, because the clocks of browser and gateway may differ
 */
export const stepsToAsk = ({ stepSeconds }: History, passedMs: number): number =>
  Math.ceil(Math.max(0, passedMs) / (stepSeconds * 1000)) + 3;

/**
 * The series whose names begin with a prefix, without it. The largest of them are lines of their own, in the order of their
 * names; the sum of the others is the last line.
 * @param limit of lines
 */
export function linesWithPrefix(series: History['series'], prefix: string, limit: number): Line[] {
  const found = Object.entries(series)
    .filter(([name]) => name.startsWith(prefix))
    .map(([name, values]) => ({ name: name.slice(prefix.length), values }))
    .filter(({ values }) => values.some((value) => value !== null && value > 0));
  const byName = (left: Line, right: Line): number => (left.name < right.name ? -1 : 1);
  if (found.length <= limit) return found.sort(byName);
  found.sort((left, right) => totalOf(right.values) - totalOf(left.values));
  const rest = { name: REST, values: sumOf(found.slice(limit - 1).map(({ values }) => values)) };
  return [...found.slice(0, limit - 1).sort(byName), rest];
}

/** The series of these names. Those without a sample are left out. */
export const linesNamed = (series: History['series'], names: Readonly<Record<string, string>>): Line[] =>
  Object.entries(names)
    .map(([name, label]) => ({ name: label, values: series[name] ?? [] }))
    .filter(({ values }) => hasAny(values));

/** Sums step by step; `null` where none has a sample. */
export function sumOf(all: readonly Values[]): Values {
  const length = Math.max(0, ...all.map((values) => values.length));
  return Array.from({ length }, (_, index) => {
    const present = all.map((values) => values[index] ?? null).filter((value) => value !== null);
    return present.length === 0 ? null : present.reduce((sum, value) => sum + value, 0);
  });
}

/** The last sample; of the last two steps only, because what is older is not current. */
export const latestOf = (values: Values): number | null => values.at(-1) ?? values.at(-2) ?? null;

/**
 * The number of the colour of each line, from 1. A line keeps its colour when others come and go.
 * @param old the result of the last time
 */
export function toColours(
  old: ReadonlyMap<string, number>,
  names: readonly string[],
  count: number,
): Map<string, number> {
  const colours = new Map([...old].filter(([name]) => names.includes(name)));
  for (const name of names) {
    if (colours.has(name)) continue;
    const taken = new Set(colours.values());
    const free = Array.from({ length: count }, (_, index) => index + 1).find((colour) => !taken.has(colour));
    colours.set(name, name === REST ? count : (free ?? count));
  }
  return colours;
}

const lengthOf = ({ series }: History): number => Math.max(0, ...Object.values(series).map(({ length }) => length));

const totalOf = (values: Values): number => values.reduce<number>((sum, value) => sum + (value ?? 0), 0);

const isThere = (value: number | null | undefined): boolean => value !== null && value !== undefined;

const hasAny = (values: Values): boolean => values.some(isThere);

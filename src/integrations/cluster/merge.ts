import { type Columns, isQuantile } from './history.js';

/** The samples of all nodes together. */
export interface Merged {
  /** Beginning of the first step: Unix time in milliseconds. */
  readonly fromMs: number;
  readonly series: Record<string, (number | null)[]>;
}

interface Span {
  readonly steps: number;
  readonly stepMs: number;
  readonly nowMs: number;
}

/** Adds the samples of several nodes, step by step of the clock of this node. */
export function mergeColumns(nodes: readonly Columns[], { steps, stepMs, nowMs }: Span): Merged {
  const filled = nodes.filter((node) => node.steps > 0).map((columns) => ({ columns, end: endOf(columns) }));
  function endOf({ ageMs }: Columns): number {
    return Math.floor((nowMs - ageMs) / stepMs);
  }
  // The last step that every node has: a step that some have not taken yet would look like a drop.
  const end = Math.min(Math.floor(nowMs / stepMs), ...filled.map((node) => node.end));
  const first = end - steps + 1;
  const names = new Set(filled.flatMap(({ columns }) => Object.keys(columns.series)));
  const series = [...names].map((name) => {
    const merged = Array.from({ length: steps }, (): number | null => null);
    for (const { columns, end: last } of filled)
      addTo(merged, columns, { name, offset: last - columns.steps + 1 - first });
    return [name, merged.map(toShown)] as const;
  });
  return { fromMs: first * stepMs, series: Object.fromEntries(series) };
}

/** @param offset where the first sample of the node belongs */
function addTo(
  merged: (number | null)[],
  { steps, series, gaps }: Columns,
  { name, offset }: { readonly name: string; readonly offset: number },
): void {
  const missing = new Set(gaps);
  const own = series[name];
  for (let index = 0; index < steps; index += 1) {
    const place = index + offset;
    const before = merged[place];
    if (before === undefined || missing.has(index)) continue;
    const value = own?.[index] ?? null;
    if (isQuantile(name)) merged[place] = value === null ? before : Math.max(before ?? 0, value);
    // A node that knows no such thing counted none of it.
    else merged[place] = (before ?? 0) + (value ?? 0);
  }
}

/** Sums of thousandths. */
const toShown = (value: number | null): number | null => (value === null ? null : Math.round(value * 1000) / 1000);

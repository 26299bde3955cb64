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
  const placed = filled.map(({ columns, end: last }) => ({
    columns,
    offset: last - columns.steps + 1 - first,
    missing: new Set(columns.gaps),
  }));
  const series = [...names].map((name) => {
    const merged = Array.from({ length: steps }, (): number | null => null);
    const add = isQuantile(name) ? higher : sum;
    for (const node of placed) addTo(merged, node, { name, add });
    return [name, merged.map(toShown)] as const;
  });
  return { fromMs: first * stepMs, series: Object.fromEntries(series) };
}

/** The samples of a node, and where they belong. */
interface Placed {
  readonly columns: Columns;
  /** Of the first sample. */
  readonly offset: number;
  readonly missing: ReadonlySet<number>;
}

type Add = (before: number | null, value: number | null) => number | null;

const higher: Add = (before, value) => (value === null ? before : Math.max(before ?? 0, value));
/** A node that knows no such thing counted none of it. */
const sum: Add = (before, value) => (before ?? 0) + (value ?? 0);

/** An hour of many nodes is some 100,000 values, while nothing else runs. */
function addTo(
  merged: (number | null)[],
  { columns: { steps, series }, offset, missing }: Placed,
  { name, add }: { readonly name: string; readonly add: Add },
): void {
  const own = series[name];
  for (let index = 0; index < steps; index += 1) {
    const place = index + offset;
    const before = merged[place];
    if (before !== undefined && !missing.has(index)) merged[place] = add(before, own?.[index] ?? null);
  }
}

/** Sums of thousandths. */
const toShown = (value: number | null): number | null => (value === null ? null : Math.round(value * 1000) / 1000);

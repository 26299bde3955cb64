/** Summary of repeated measurements. */
export interface Summary {
  median: number;
  /** Quartiles. */
  lowerQuartile: number;
  upperQuartile: number;
  samples: number[];
}

/** @throws RangeError without samples */
export function summarize(samples: readonly number[]): Summary {
  const sorted = [...samples].sort((a, b) => a - b);
  return {
    median: interpolate(sorted, 0.5),
    lowerQuartile: interpolate(sorted, 0.25),
    upperQuartile: interpolate(sorted, 0.75),
    samples: [...samples],
  };
}

/** One of many measurements. @param share from 0 to 1 */
export function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}

/** Interpolates linearly between measurements. */
function interpolate(sorted: readonly number[], share: number): number {
  const position = (sorted.length - 1) * share;
  const below = sorted[Math.floor(position)];
  const above = sorted[Math.ceil(position)];
  if (below === undefined || above === undefined) throw new RangeError('no samples');
  return below + (above - below) * (position - Math.floor(position));
}

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
    median: quantile(sorted, 0.5),
    lowerQuartile: quantile(sorted, 0.25),
    upperQuartile: quantile(sorted, 0.75),
    samples: [...samples],
  };
}

/** Interpolates linearly between measurements. */
function quantile(sorted: readonly number[], share: number): number {
  const position = (sorted.length - 1) * share;
  const below = sorted[Math.floor(position)];
  const above = sorted[Math.ceil(position)];
  if (below === undefined || above === undefined) throw new RangeError('no samples');
  return below + (above - below) * (position - Math.floor(position));
}

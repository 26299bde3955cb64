import type { Line } from './results.js';

/** Adds a sample to the line of this label. */
export type AddSample = (label: string, value: number) => void;

/**
 * Repeats a measurement after rounds that only compile the code.
 * @param measure one round, counted from below 0 while nothing is kept
 * @returns the samples by label, in order of the first one
 */
export async function repeat(
  rounds: number,
  measure: (add: AddSample, round: number) => Promise<void>,
  warmUpRounds = 1,
): Promise<Line[]> {
  const samples = new Map<string, number[]>();
  for (let round = -warmUpRounds; round < rounds; round += 1) {
    await measure((label, value) => {
      if (round >= 0) samples.set(label, [...(samples.get(label) ?? []), value]);
    }, round);
  }
  return [...samples].map(([label, values]) => ({ label, samples: values }));
}

/** The variants of one round. Each round begins with another one. */
export const inTurn = <T>(variants: readonly T[], round: number): T[] => {
  const start = (round + variants.length) % variants.length;
  return [...variants.slice(start), ...variants.slice(0, start)];
};

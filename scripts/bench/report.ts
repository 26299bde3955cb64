import type { Machine } from './machine.js';
import type { Summary } from './statistics.js';

/** A summarized measurement. */
export interface ScenarioResult {
  name: string;
  unit: string;
  lines: { label: string; value: Summary; operationsPerSecond?: number }[];
  ratios: { of: string; against: string; value: Summary; bound?: number; isWithinBound?: boolean }[];
}

/** The report of a suite. */
export interface Report {
  suite: string;
  startedAt: string;
  machine: Machine;
  /** Notes on the method. */
  notes: string[];
  scenarios: ScenarioResult[];
}

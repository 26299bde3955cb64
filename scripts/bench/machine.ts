import { cpus, loadavg, platform, release, totalmem } from 'node:os';

/** The machine of the measurements. Absolute numbers depend on it; ratios less so. */
export interface Machine {
  processor: string;
  cores: number;
  memoryBytes: number;
  system: string;
  node: string;
  /** Load of the last minute before the run. Other load widens the spread. */
  loadAverage: number;
}

/** This machine, now. */
export const describeMachine = (): Machine => ({
  processor: cpus()[0]?.model ?? 'unknown',
  cores: cpus().length,
  memoryBytes: totalmem(),
  system: `${platform()} ${release()}`,
  node: process.version,
  loadAverage: loadavg()[0] ?? 0,
});

/** One readable line. */
export const toMachineLine = ({ processor, cores, memoryBytes, system, node, loadAverage }: Machine): string =>
  `${processor}, ${cores} cores, ${Math.round(memoryBytes / 2 ** 30)} GiB, ${system}, Node.js ${node}, load average ${loadAverage.toFixed(2)}`;

import { cpus, loadavg, platform, release, totalmem } from 'node:os';

/** Where the numbers come from. They mean little elsewhere; the ratios mean more. */
export interface Machine {
  processor: string;
  cores: number;
  memoryBytes: number;
  system: string;
  node: string;
  /** Over the last minute, before the run: other work on the machine widens the spread. */
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

/** One line for people. */
export const toMachineLine = ({ processor, cores, memoryBytes, system, node, loadAverage }: Machine): string =>
  `${processor}, ${cores} cores, ${Math.round(memoryBytes / 2 ** 30)} GiB, ${system}, Node.js ${node}, load average ${loadAverage.toFixed(2)}`;

import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';

/** The CPU limit of a container (cgroup v2). Node.js 20 does not count it in. */
const CPU_LIMIT_FILE = '/sys/fs/cgroup/cpu.max';

/** Number of cores that this process may use, at least 1. */
export function countCores(cores = availableParallelism(), limitFile = CPU_LIMIT_FILE): number {
  return Math.max(1, Math.min(cores, Math.floor(limitIn(limitFile))));
}

/** The limit in cores. The file holds `<quota> <period>`, or `max <period>` without a limit. */
function limitIn(path: string): number {
  try {
    const [quota, period] = readFileSync(path, 'utf8').split(' ').map(Number);
    const limit = (quota ?? Number.NaN) / (period ?? Number.NaN);
    return limit > 0 ? limit : Number.POSITIVE_INFINITY;
  } catch {
    return Number.POSITIVE_INFINITY;
  }
}

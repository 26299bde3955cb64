import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';

/*
 * What processes use, from `/proc`: also of those that are not Node.js, and with everything that they start. Linux only.
 */

/** Resources of one or more processes. */
export interface ProcessUsage {
  /** CPU time so far of all threads that are alive, user and system, in microseconds. */
  readonly cpuMicros: number;
  readonly rssBytes: number;
}

/** The sum over processes and all their descendants. */
export function usageOf(pids: readonly number[]): ProcessUsage {
  const usage = { cpuMicros: 0, rssBytes: 0 };
  for (const pid of withDescendants(pids)) {
    for (const thread of list(`/proc/${pid}/task`)) {
      // The first field is the time on a processor in nanoseconds.
      usage.cpuMicros += Number(read(`/proc/${pid}/task/${thread}/schedstat`).split(' ')[0] ?? 0) / 1000;
    }
    usage.rssBytes += Number(/VmRSS:\s+(\d+) kB/.exec(read(`/proc/${pid}/status`))?.[1] ?? 0) * 1024;
  }
  return usage;
}

const QUIET_WINDOW_MS = 60;
/** CPU time of a process in such a window that counts as none: timers, heartbeats. */
const QUIET_MICROS = 3000;
const SETTLE_LIMIT_MS = 20_000;

/**
 * Waits until processes have done what they were asked to, in the background too.
 * @throws Error after {@link SETTLE_LIMIT_MS}
 */
export async function settled(pids: readonly number[]): Promise<void> {
  const giveUpAt = performance.now() + SETTLE_LIMIT_MS;
  const quietMicros = QUIET_MICROS * pids.length;
  for (let quiet = 0; quiet < 2; ) {
    const { cpuMicros } = usageOf(pids);
    await pause(QUIET_WINDOW_MS);
    quiet = usageOf(pids).cpuMicros - cpuMicros <= quietMicros ? quiet + 1 : 0;
    if (performance.now() > giveUpAt) throw new Error(`processes ${pids.join(', ')} are not at rest`);
  }
}

/** Waits until no TCP connection to the ports is left. @throws Error after {@link SETTLE_LIMIT_MS} */
export async function disconnected(ports: readonly number[]): Promise<void> {
  const giveUpAt = performance.now() + SETTLE_LIMIT_MS;
  while (countConnections(ports) > 0) {
    await pause(20);
    if (performance.now() > giveUpAt) throw new Error(`the server at ${ports.join(', ')} keeps closed connections`);
  }
}

const ESTABLISHED = '01';

/** Established TCP connections with one of the ports at this side. */
function countConnections(ports: readonly number[]): number {
  const wanted = new Set(ports.map((port) => port.toString(16).toUpperCase().padStart(4, '0')));
  const lines = `${read('/proc/net/tcp')}\n${read('/proc/net/tcp6')}`.split('\n');
  return lines.filter((line) => {
    const [, local = '', , state] = line.trim().split(/\s+/);
    return state === ESTABLISHED && wanted.has(local.split(':')[1] ?? '');
  }).length;
}

function withDescendants(pids: readonly number[]): Set<number> {
  const parents = new Map<number, number>();
  for (const name of list('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    // The name of a program may hold anything, so the fields are counted from its end.
    const fields = read(`/proc/${name}/stat`).split(') ').at(-1)?.split(' ') ?? [];
    parents.set(Number(name), Number(fields[1]));
  }
  const found = new Set(pids);
  for (let size = 0; size < found.size; ) {
    size = found.size;
    for (const [pid, parent] of parents) if (found.has(parent)) found.add(pid);
  }
  return found;
}

/** Processes and threads end at any time. */
function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

function list(path: string): string[] {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
}

import cluster from 'node:cluster';
import { fileURLToPath } from 'node:url';
import type { Line } from './calls.js';

/** How a process ended. */
export interface ProcessEnd {
  readonly code: number | null;
  readonly signal: string | null;
}

/** The process of a worker. */
export interface WorkerProcess extends Line {
  readonly pid: number | undefined;
  readonly ended: Promise<ProcessEnd>;
  /** Ends it at once (SIGKILL). */
  kill(): void;
}

/** Starts a process. */
export type ForkWorker = () => WorkerProcess;

/**
 * Prepares this process to be a primary. Workers inherit its standard output and its Node.js options, and get the connections
 * that it accepts in turn.
 */
export function prepareFork(): ForkWorker {
  const isSource = import.meta.url.endsWith('.ts');
  cluster.schedulingPolicy = cluster.SCHED_RR;
  cluster.setupPrimary({
    exec: fileURLToPath(new URL(isSource ? './child.ts' : './child.js', import.meta.url)),
    args: [],
    // Keeps Infinity and absent values of a configuration.
    serialization: 'advanced',
  });
  return function forkWorker() {
    const worker = cluster.fork();
    // Sending to a process that is just ending fails; its end is handled.
    worker.on('error', () => undefined);
    return {
      pid: worker.process.pid,
      ended: new Promise((resolve) =>
        worker.once('exit', (code: number | null, signal: string | null) => resolve({ code, signal })),
      ),
      send: (message) => worker.isConnected() && worker.send(message as object),
      onMessage: (listener) => void worker.on('message', listener),
      kill: () => void worker.process.kill('SIGKILL'),
    };
  };
}

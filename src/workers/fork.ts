import cluster, { type Worker } from 'node:cluster';
import { fileURLToPath } from 'node:url';
import { getSystemErrorName } from 'node:util';
import { closeLostConnections } from '../library-internals/lost-connections.js';
import type { Logger } from '../platform/logging/logger.js';
import type { Line } from './calls.js';

/** How a process ended. */
export interface ProcessEnd {
  readonly code: number | null;
  readonly signal: string | null;
  /** Why the process could not be created, as the system names it: `EAGAIN`. */
  readonly error?: string;
}

/** The process of a worker. */
interface WorkerProcess extends Line {
  readonly pid: number | undefined;
  /** Resolves after the last message. */
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
export function prepareFork(logger: Pick<Logger, 'warn'>): ForkWorker {
  const isSource = import.meta.url.endsWith('.ts');
  cluster.schedulingPolicy = cluster.SCHED_RR;
  cluster.setupPrimary({
    exec: fileURLToPath(new URL(isSource ? './child.ts' : './child.js', import.meta.url)),
    args: [],
    // Keeps Infinity and absent values of a configuration.
    serialization: 'advanced',
  });
  return function forkWorker() {
    const worker = tryFork();
    if (worker instanceof Error) return toFailed(worker);
    // Sending to a process that is just ending fails; its end is handled.
    worker.on('error', () => undefined);
    closeLostConnections(worker, logger);
    return {
      pid: worker.process.pid,
      ended: endOf(worker),
      send: (message) => worker.isConnected() && worker.send(message as object),
      onMessage: (listener) => void worker.on('message', listener),
      kill: () => void worker.process.kill('SIGKILL'),
    };
  };
}

/** Some reasons, such as a lack of memory, are thrown, others are an event. */
function tryFork(): Worker | Error {
  try {
    return cluster.fork();
  } catch (error) {
    return error as Error;
  }
}

const toFailed = ({ code, message }: NodeJS.ErrnoException): WorkerProcess => ({
  pid: undefined,
  send: () => false,
  onMessage: () => undefined,
  kill: () => undefined,
  ended: Promise.resolve({ code: null, signal: null, error: code ?? message }),
});

/** The event `exit` is missing for a process that could not be created, and messages can follow it. */
const endOf = (worker: Worker): Promise<ProcessEnd> =>
  new Promise((resolve) =>
    worker.process.once('close', (code: number | null, signal: string | null) =>
      resolve(code !== null && code < 0 ? { code: null, signal, error: getSystemErrorName(code) } : { code, signal }),
    ),
  );

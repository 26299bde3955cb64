import { createCalls, type Peer } from './calls.js';
import type { ForkWorker, ProcessEnd } from './fork.js';
import type { PrimaryCalls, WorkerCalls } from './protocol.js';

/** A worker, as the primary sees it. */
export interface Worker extends Pick<Peer<WorkerCalls>, 'call'> {
  /** 1 for the first one; a worker that takes the place of another has its number. */
  readonly number: number;
  readonly pid: number | undefined;
  readonly ended: Promise<ProcessEnd>;
  /** Whether it gets new connections. */
  isAccepting: boolean;
  /** It drains, but stays on the port because no other worker accepts connections. */
  isWaitingToLeave: boolean;
  /** When it began to listen, by the clock, in milliseconds. */
  servesSince: number | undefined;
  /** Calls it without waiting for an answer. */
  tell<Name extends keyof WorkerCalls>(name: Name, body: Parameters<WorkerCalls[Name]>[0]): void;
  /** Ends it at once. */
  kill(): void;
}

interface Dependencies {
  readonly number: number;
  readonly fork: ForkWorker;
  /** What the worker may call. */
  readonly calls: (worker: Worker) => Omit<PrimaryCalls, 'hello'>;
}

/** Starts the process of a worker. Its gateway starts with the call `start`. */
export function startWorker({ number, fork, calls }: Dependencies): Worker {
  const child = fork();
  let noteListens: () => void = () => undefined;
  // Messages that come while a process loads its modules are lost.
  const listens = new Promise<void>((resolve) => {
    noteListens = resolve;
  });
  const worker: Worker = {
    number,
    pid: child.pid,
    ended: child.ended,
    isAccepting: false,
    isWaitingToLeave: false,
    servesSince: undefined,
    kill: child.kill,
    call: (name, body) => listens.then(() => peer.call(name, body)),
    tell: (name, body) => void worker.call(name, body).catch(() => undefined),
  };
  const peer = createCalls<WorkerCalls>(child, { ...calls(worker), hello: noteListens });
  void child.ended.then(({ code, signal, error }) => {
    worker.isAccepting = false;
    noteListens();
    peer.end({ message: `Worker ${number} ended with ${error ?? signal ?? code}`, exitCode: code ?? undefined });
  });
  return worker;
}

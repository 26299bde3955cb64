import { createServer } from 'node:http';
import { createLiveSecrets } from '../config/live-secrets.js';
import type { Config } from '../config.js';
import type { Logger } from '../platform/logging/logger.js';
import { createMetrics, type MetricsSnapshot } from '../platform/metrics.js';
import { exitCodes, StartError } from '../platform/start-error.js';
import type { Clock } from '../platform/time/clock.js';
import { valueWithin } from '../platform/time/within-ms.js';
import { closeServer, listen } from '../transport/server/listen.js';
import { CallError } from './calls.js';
import { createCountExchange } from './counts.js';
import type { ForkWorker } from './fork.js';
import { createMachineMetrics } from './metrics.js';
import type { PrimaryCalls } from './protocol.js';
import { createRestarts, STABLE_MS } from './restarts.js';
import { startWorker, type Worker } from './worker.js';

/** How long the primary waits for the answer of a worker about its state. */
const ANSWER_MS = 2000;

/** What {@link createPrimary} needs. */
export interface PrimaryOptions {
  readonly fork: ForkWorker;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Called when workers exit right after their start, repeatedly. The process should stop. */
  readonly onGivenUp: (error: StartError) => void;
}

/** Several gateways behind one port, started and stopped as one. */
export interface Primary {
  /** Resolves when the first worker serves. @throws StartError of that worker */
  start(): Promise<{ port: number }>;
  /** Replaces the secrets of all workers. @returns whether a secret changed */
  replaceSecrets(config: Config): boolean;
  /** Drains and ends the workers one after another. @throws Error when one did not stop gracefully */
  close(): Promise<void>;
  /** Ends the workers that are left at once, if {@link close} was called. */
  killIfStopping(): void;
}

/** Starts as many workers as the configuration says, and starts those again that end. */
export function createPrimary(config: Config, { fork, clock, logger, onGivenUp }: PrimaryOptions): Primary {
  const workers = new Map<number, Worker>();
  const restarts = createRestarts();
  const secrets = createLiveSecrets(config);
  const own = createMetrics();
  own.workers.set(0);
  const machineMetrics = createMachineMetrics();
  const counts = createCountExchange((number, changes) => {
    if (changes.length > 0) workers.get(number)?.tell('takeCounts', changes);
  });
  let secretsConfig = config;
  let startConfig = config;
  let hasStarted = false;
  let isStopping = false;

  const accepting = (): Worker[] => [...workers.values()].filter(({ isAccepting }) => isAccepting);

  /** The answers of workers by their numbers; `undefined` for one that does not answer in time. */
  const askAll = async <T>(asked: readonly Worker[], ask: (worker: Worker) => Promise<T>) => {
    const answers = asked.map(
      async (worker): Promise<[Worker, T | undefined]> => [
        worker,
        await valueWithin<T | undefined>(ask(worker), { clock, limitMs: ANSWER_MS, fallback: undefined }),
      ],
    );
    return Promise.all(answers);
  };

  const missing = async (): Promise<string[]> => {
    const answers = await askAll(accepting(), (worker) => worker.call('missing', undefined));
    const found = answers.flatMap(([, names]) => names ?? ['workers']);
    return [...new Set(isStopping ? [...found, 'draining'] : found)];
  };

  const metrics = async (): Promise<string> => {
    const answers = await askAll([...workers.values()], (worker) => worker.call('metrics', undefined));
    const snapshots = new Map<string, MetricsSnapshot>([['primary', await own.registry.getMetricsAsJSON()]]);
    for (const [{ number }, snapshot] of answers) {
      // A worker that has ended since is counted among the ended ones.
      if (snapshot !== undefined && workers.has(number)) snapshots.set(String(number), snapshot);
    }
    return machineMetrics.combine(snapshots);
  };

  const leave = (worker: Worker): boolean => {
    worker.isWaitingToLeave = !accepting().some((other) => other !== worker);
    if (worker.isWaitingToLeave) return false;
    worker.isAccepting = false;
    return true;
  };
  /** A worker serves: those that drain and stayed on the port for the lack of another leave it. */
  const relieve = (): void => {
    if (isStopping) return;
    for (const worker of accepting().filter(({ isWaitingToLeave }) => isWaitingToLeave)) {
      worker.isAccepting = false;
      worker.tell('leavePort', undefined);
    }
  };

  const begin = async (number: number): Promise<number> => {
    const calls = (worker: Worker): Omit<PrimaryCalls, 'hello'> => ({
      leave: () => leave(worker),
      shareCounts: (changes) => counts.share(number, changes),
      missing,
      metrics,
    });
    const worker = startWorker({ number, fork, calls });
    workers.set(number, worker);
    counts.join(number);
    void worker.ended.then(() => ended(worker));
    const nodeName = `${config.nodeName}/${number}`;
    const { port } = await worker.call('start', { config: { ...startConfig, nodeName }, secrets: secretsConfig });
    worker.isAccepting = true;
    worker.servesSince = clock.now();
    relieve();
    logger.info({ worker: number, pid: worker.pid }, 'worker: ready');
    return port;
  };

  const ended = async (worker: Worker): Promise<void> => {
    const { number, pid } = worker;
    const { code, signal, error } = await worker.ended;
    workers.delete(number);
    counts.leave(number);
    await machineMetrics.retire(String(number));
    if (isStopping || !hasStarted) return;
    own.workerExits.inc({});
    const nowMs = clock.now();
    const servedMs = worker.servesSince === undefined ? 0 : nowMs - worker.servesSince;
    const hasStableOther = accepting().some(({ servesSince = nowMs }) => nowMs - servesSince >= STABLE_MS);
    const delayMs = restarts.delayAfter({ servedMs, hasStableOther });
    const details = { worker: number, pid, code, signal, error, servedMs: Math.round(servedMs) };
    if (delayMs === undefined) {
      logger.fatal(details, 'worker: exits right after its start, repeatedly; giving up');
      onGivenUp(StartError.ofProcess(code ?? undefined, 'Workers end soon after their start.'));
      return;
    }
    logger.error({ ...details, delayMs }, 'worker: exited; restarting it');
    clock.after(delayMs, () => {
      // Its failure is its end, which is handled above.
      if (!isStopping) begin(number).catch(() => undefined);
    });
  };

  return {
    async start() {
      if (config.http.port === 0) {
        startConfig = { ...config, http: { ...config.http, port: await findPort(config.http.host) } };
      }
      try {
        // Alone, so that what has to be done once is done, and a problem is reported once.
        const port = await begin(1);
        hasStarted = true;
        for (let number = 2; number <= config.workers; number += 1) begin(number).catch(() => undefined);
        return { port };
      } catch (error) {
        if (!(error instanceof CallError)) throw error;
        throw StartError.ofProcess(error.exitCode, error.message);
      }
    },
    replaceSecrets(next) {
      secretsConfig = next;
      if (!secrets.replace(next)) return false;
      for (const worker of workers.values()) worker.tell('replaceSecrets', next);
      return true;
    },
    async close() {
      isStopping = true;
      const stopped = [...workers.values()];
      const turns = accepting();
      const shares = Math.max(1, turns.length);
      const { drainMs, timeoutMs } = config.shutdown;
      const order = { drainMs: drainMs / shares, timeoutMs };
      // Those that still start, or were drained, take no time from the others: they have few clients or none.
      for (const worker of stopped) if (!turns.includes(worker)) worker.tell('stop', order);
      for (const worker of turns) {
        worker.tell('stop', order);
        // One that does not stop in its share of the time must not keep the others from it.
        await valueWithin<unknown>(worker.ended, { clock, limitMs: timeoutMs / shares, fallback: undefined });
      }
      const ends = await Promise.all(stopped.map((worker) => worker.ended));
      if (ends.some(({ code }) => code !== exitCodes.STOPPED)) throw new Error('A worker did not stop gracefully');
    },
    killIfStopping() {
      if (!isStopping) return;
      for (const worker of workers.values()) worker.kill();
    },
  };
}

/** A free port: workers that ask for any port would get another one after all of them have ended. */
async function findPort(host: string): Promise<number> {
  const server = createServer();
  const port = await listen(server, { host, port: 0 });
  await closeServer(server);
  return port;
}

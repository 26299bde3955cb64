import type { TaskTracker } from '../../../platform/concurrency/task-tracker.js';
import type { Clock } from '../../../platform/time/clock.js';
import type { Cursors } from '../devices/cursors.js';
import type { DeviceExpiry } from '../devices/expiry.js';
import type { Outboxes } from '../outbox/outboxes.js';
import type { MailboxSockets } from '../outbox/sockets.js';
import { HEARTBEAT_MS, type Nodes } from '../storage/nodes.js';
import type { PollCoordinator } from './poll-coordinator.js';

const SWEEP_INTERVAL_MS = 30_000;
/** How long after its start a node migrates what nodes of an earlier version, which may still run, have stored. */
const MIGRATION_MS = 3_600_000;

interface Dependencies {
  readonly sockets: MailboxSockets;
  readonly outboxes: Outboxes;
  readonly cursors: Cursors;
  readonly expiry: DeviceExpiry;
  readonly nodes: Nodes;
  readonly pollCoordinator: PollCoordinator;
  readonly clock: Clock;
  readonly tasks: TaskTracker;
  purge(): Promise<void>;
  migrate(): Promise<void>;
}

/** What a node does at intervals. */
export class PeriodicTasks {
  readonly #dependencies: Dependencies;
  readonly #startedAt: number;
  readonly #stops: (() => void)[] = [];

  constructor(dependencies: Dependencies) {
    this.#dependencies = dependencies;
    this.#startedAt = dependencies.clock.now();
  }

  start(): void {
    const { nodes, pollCoordinator, tasks } = this.#dependencies;
    tasks.run(nodes.beat());
    this.#stops.push(pollCoordinator.start());
    this.#every(HEARTBEAT_MS, () => nodes.beat());
    this.#every(SWEEP_INTERVAL_MS, () => this.#sweep());
  }

  stop(): void {
    for (const stop of this.#stops) stop();
  }

  async #sweep(): Promise<void> {
    const { sockets, outboxes, cursors, nodes, expiry, clock, purge, migrate } = this.#dependencies;
    outboxes.releaseAllIdle();
    cursors.forgetIdle((device) => sockets.outboxesOf(device).length > 0);
    await nodes.beat();
    await expiry.removeAway();
    await purge();
    if (clock.now() - this.#startedAt < MIGRATION_MS) await migrate();
  }

  /** Runs a task at an interval, but never twice at once. */
  #every(intervalMs: number, task: () => Promise<void>): void {
    const { clock, tasks } = this.#dependencies;
    let isRunning = false;
    const run = async (): Promise<void> => {
      if (isRunning) return;
      isRunning = true;
      await task().finally(() => {
        isRunning = false;
      });
    };
    this.#stops.push(clock.every(intervalMs, () => tasks.run(run())));
  }
}

import type { Clock } from '../../../platform/time/clock.js';
import type { PushAttempts } from './attempt.js';
import { type DuePush, LEASE_MS, type PushStore } from './store.js';

/** How often a node queries due pushes, beside those that it knows of. */
const POLL_INTERVAL_MS = 5000;
/** Pushes that a node sends at a time. Others that are due wait in the database. */
const CONCURRENCY = 8;

interface Dependencies {
  readonly store: PushStore;
  readonly attempts: PushAttempts;
  readonly clock: Clock;
  report(error: unknown): void;
}

/** Claims pushes when they become due, and sends them. */
export class PushWorker {
  readonly #dependencies: Dependencies;
  readonly #running = new Set<Promise<void>>();
  #timer: { at: number; cancel(): void } | undefined;
  #stopPolling = (): void => undefined;
  #isStopped = false;

  constructor(dependencies: Dependencies) {
    this.#dependencies = dependencies;
  }

  start(): void {
    this.#dependencies.store.onAnnounced((dueAt) => this.#wakeAt(dueAt));
    this.#stopPolling = this.#dependencies.clock.every(POLL_INTERVAL_MS, () => this.#wake());
    this.#wake();
  }

  /** Resolves when the pushes under way have been sent. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#stopPolling();
    this.#timer?.cancel();
    await Promise.all(this.#running);
  }

  #wake(): void {
    if (this.#isStopped || this.#running.size >= CONCURRENCY) return;
    const run = this.#sendAllDue()
      .catch(this.#dependencies.report)
      .finally(() => this.#running.delete(run));
    this.#running.add(run);
  }

  /** @param at Unix time in milliseconds */
  #wakeAt(at: number): void {
    const { clock } = this.#dependencies;
    const delayMs = at - clock.now();
    if (delayMs <= 0) this.#wake();
    if (delayMs <= 0 || this.#isStopped || (this.#timer !== undefined && this.#timer.at <= at)) return;
    this.#timer?.cancel();
    const cancel = clock.after(delayMs, () => {
      this.#timer = undefined;
      this.#wake();
    });
    this.#timer = { at, cancel };
  }

  async #sendAllDue(): Promise<void> {
    const { store } = this.#dependencies;
    for (let push = await store.claim(); push !== undefined; push = await this.#claimNext()) {
      // There may be more that is due.
      this.#wake();
      await this.#send(push);
    }
    const next = this.#isStopped ? undefined : await store.nextDueAt();
    if (next !== undefined) this.#wakeAt(next);
  }

  async #claimNext(): Promise<DuePush | undefined> {
    return this.#isStopped ? undefined : this.#dependencies.store.claim();
  }

  async #send(push: DuePush): Promise<void> {
    const { store, attempts, clock, report } = this.#dependencies;
    const stopExtending = clock.every(LEASE_MS / 3, () => void store.extend(push).catch(report));
    try {
      const nextAt = await attempts.run(push);
      if (nextAt !== undefined) this.#wakeAt(nextAt);
    } catch (error) {
      report(error);
      if (!this.#isStopped) await attempts.postpone(push);
    } finally {
      stopExtending();
    }
  }
}

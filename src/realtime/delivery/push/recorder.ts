import { z } from 'zod';
import type { Clock } from '../../../platform/time/clock.js';
import { type Bus, ofForm } from '../../bus.js';
import type { DuePush, HeldPush, PushProgress, PushStore } from './store.js';

/** When a failed write is repeated: twice as late each time, up to a limit. */
const RETRY_MS = 1000;
const RETRY_MAX_MS = 8000;
const TOPIC = 'pushes';

/** Asks the other nodes to store a response of FCM: they may reach the database while this node cannot. */
interface UnrecordedProgress {
  readonly push: HeldPush;
  readonly progress: PushProgress;
}

const progressForm = z.object({
  push: z.object({ id: z.string(), lease: z.string() }),
  progress: z.object({ isShown: z.boolean(), refused: z.array(z.string()), tokens: z.array(z.string()) }),
});

interface Dependencies {
  readonly store: PushStore;
  readonly bus: Bus;
  readonly clock: Clock;
  report(error: unknown): void;
}

/** Stores the responses of FCM. While the database is away they are kept in memory and the write is repeated. */
export class PushRecorder {
  readonly #dependencies: Dependencies;
  readonly #pauses = new Set<() => void>();
  #isStopped = false;

  constructor(dependencies: Dependencies) {
    this.#dependencies = dependencies;
  }

  /** Stores what other nodes could not. */
  start(): void {
    const { store, bus, report } = this.#dependencies;
    const receive = ({ push, progress }: UnrecordedProgress): void =>
      void store.recordForHolder(push, progress).catch(report);
    bus.subscribe(TOPIC, ofForm(progressForm, receive));
  }

  stop(): void {
    this.#isStopped = true;
    for (const end of this.#pauses) end();
  }

  /** @returns whether this node still holds the push. @throws when the gateway stops before the response was stored */
  async record({ id, lease }: DuePush, progress: PushProgress): Promise<boolean> {
    const { store, bus, report } = this.#dependencies;
    for (let delayMs = RETRY_MS; ; delayMs = Math.min(2 * delayMs, RETRY_MAX_MS)) {
      try {
        return await store.record({ id, lease }, progress);
      } catch (error) {
        report(error);
        bus.publish(TOPIC, { push: { id, lease }, progress } satisfies UnrecordedProgress);
        if (this.#isStopped) throw error;
        await this.#pause(delayMs);
      }
    }
  }

  /** Resolves after a time, or when the gateway stops. */
  #pause(delayMs: number): Promise<void> {
    return new Promise((resolve) => {
      const end = (): void => {
        cancel();
        this.#pauses.delete(end);
        resolve();
      };
      const cancel = this.#dependencies.clock.after(delayMs, end);
      this.#pauses.add(end);
    });
  }
}

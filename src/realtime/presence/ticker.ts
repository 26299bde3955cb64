import type { Clock } from '../../platform/time/clock.js';

/** Ticks requested within this time are merged. */
const SPACING_MS = 25;

interface Options {
  clock: Clock;
  /** At least one tick in each of these. */
  intervalMs: number;
  /** Without it no tick runs; call `wakeUp` when it changes. */
  canTick(): boolean;
  /** One tick. Never rejects. */
  tick(): Promise<void>;
}

/** Runs a task at an interval, and earlier on request; never twice at a time. */
export function createTicker({ clock, intervalMs, canTick, tick }: Options) {
  let ticking: Promise<void> | undefined;
  let isWanted = false;
  let isStarted = false;
  let dueAt = Number.POSITIVE_INFINITY;
  let cancelDue = (): void => undefined;
  let cancelInterval = (): void => undefined;

  const isNext = (): boolean => isWanted && isStarted && canTick();

  const run = async (): Promise<void> => {
    while (isNext()) {
      isWanted = false;
      await tick();
    }
  };

  /** Ticks now, or once more after the tick that is running. */
  const wakeUp = (): void => {
    isWanted = true;
    ticking ??= run().finally(() => {
      ticking = undefined;
      if (isNext()) wakeUp();
    });
  };

  return {
    wakeUp,

    /** Ticks in `afterMs`, or sooner. */
    expect(afterMs: number): void {
      const delayMs = Math.max(afterMs, SPACING_MS);
      if (!isStarted || clock.now() + delayMs >= dueAt) return;
      cancelDue();
      dueAt = clock.now() + delayMs;
      cancelDue = clock.after(delayMs, () => {
        dueAt = Number.POSITIVE_INFINITY;
        wakeUp();
      });
    },

    /** Resolves after the first tick. */
    async start(): Promise<void> {
      isStarted = true;
      cancelInterval = clock.every(intervalMs, wakeUp);
      wakeUp();
      await ticking;
    },

    /** Resolves after the last tick. */
    async stop(): Promise<void> {
      isStarted = false;
      cancelInterval();
      cancelDue();
      await ticking;
    },
  };
}

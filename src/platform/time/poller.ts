import type { Clock } from './clock.js';

interface Options {
  clock: Clock;
  intervalMs: number;
  poll(): Promise<void>;
  /** The next interval polls again. */
  onError(error: unknown): void;
}

/** Polls at an interval, never twice at a time. @returns stops polling, and resolves when the running poll is over */
export function startPolling({ clock, intervalMs, poll, onError }: Options): () => Promise<void> {
  let running: Promise<void> | undefined;
  const cancel = clock.every(intervalMs, () => {
    running ??= poll()
      .catch(onError)
      .finally(() => {
        running = undefined;
      });
  });
  return async function stopPolling() {
    cancel();
    await running;
  };
}

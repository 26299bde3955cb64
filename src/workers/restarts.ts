/** How long a worker must serve until it counts as working. */
export const STABLE_MS = 10_000;

const FIRST_DELAY_MS = 100;
const DELAY_MAX_MS = 30_000;
/** Workers that end soon after their start, one after the other, until the primary gives up. */
const FAILURES_MAX = 5;

/** How a worker ended that had not been asked to. */
interface WorkerFailure {
  /** How long it had served; 0: it had not listened. */
  readonly servedMs: number;
  /** Whether another worker has served for {@link STABLE_MS}. */
  readonly hasStableOther: boolean;
}

/** Decides when an ended worker is started again. */
export interface Restarts {
  /** @returns the delay; `undefined`: give up, because workers exit right after their start and none is ready */
  delayAfter(failure: WorkerFailure): number | undefined;
}

/** The delay doubles with each worker that ends soon after its start. While one works the primary never gives up. */
export function createRestarts(): Restarts {
  let failures = 0;
  return {
    delayAfter({ servedMs, hasStableOther }) {
      failures = servedMs >= STABLE_MS ? 0 : failures + 1;
      if (failures >= FAILURES_MAX && !hasStableOther) return undefined;
      return Math.min(FIRST_DELAY_MS * 2 ** Math.max(0, failures - 1), DELAY_MAX_MS);
    },
  };
}

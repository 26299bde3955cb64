/** How many handshakes a node admits. */
export interface AdmissionRate {
  readonly perSecond: number;
  /** Called for each tick. @param lagMs how late the event loop was @param isLimiting whether clients wait */
  observe(lagMs: number, isLimiting: boolean): void;
}

/** A rate that an operator has set. */
export const fixedRate = (perSecond: number): AdmissionRate => ({ perSecond, observe: () => undefined });

const FIRST_PER_SECOND = 500;
/** Clients come in also while something else delays the event loop. */
const LEAST_PER_SECOND = 100;
const MOST_PER_SECOND = 10_000;

/** Ticks between two changes: the work of an admitted client lasts longer than one tick. */
const WINDOW_TICKS = 4;
/** Below this rate it rises fast, so that a thousand clients come back within two seconds. */
const FAST_BELOW_PER_SECOND = 800;
const FAST_RISE = 1.3;
/** Above it, so that in a storm it goes little beyond what the node can take: what is too much delays the calls of backends. */
const SLOW_RISE = 1.08;
/** The event loop is free enough for more. */
const LOW_LAG_MS = 10;
const HIGH_LAG_MS = 25;
const VERY_HIGH_LAG_MS = 60;

/**
 * Derives the rate from the lag of the event loop: it rises while clients wait and the lag is low, and falls faster when the
 * lag is high. Without waiting clients it returns to where it began, because what it has learned is outdated.
 */
export function createRateByLag(): AdmissionRate {
  let perSecond = FIRST_PER_SECOND;
  let ticks = 0;
  let worstMs = 0;
  let wasLimiting = false;
  const adjust = (): void => {
    if (worstMs >= VERY_HIGH_LAG_MS) perSecond *= 0.5;
    else if (worstMs >= HIGH_LAG_MS) perSecond *= 0.8;
    else if (worstMs < LOW_LAG_MS && (wasLimiting || perSecond < FIRST_PER_SECOND)) {
      perSecond *= perSecond < FAST_BELOW_PER_SECOND ? FAST_RISE : SLOW_RISE;
    }
    if (!wasLimiting && worstMs < LOW_LAG_MS) perSecond = Math.min(perSecond, FIRST_PER_SECOND);
    perSecond = Math.min(MOST_PER_SECOND, Math.max(LEAST_PER_SECOND, perSecond));
  };
  return {
    get perSecond() {
      return perSecond;
    },
    observe(lagMs, isLimiting) {
      worstMs = Math.max(worstMs, lagMs);
      wasLimiting ||= isLimiting;
      ticks += 1;
      if (ticks < WINDOW_TICKS) return;
      adjust();
      ticks = 0;
      worstMs = 0;
      wasLimiting = false;
    },
  };
}

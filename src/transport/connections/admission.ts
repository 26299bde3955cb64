import type { Metrics } from '../../platform/metrics.js';
import type { Clock } from '../../platform/time/clock.js';
import { type AdmissionRate, createRateByLag, fixedRate } from './admission-rate.js';

/**
 * How often waiting handshakes are admitted. Those of one tick arrive at the database together, so that their queries are
 * batched.
 */
export const TICK_MS = 50;
/** Handshakes that may come at once, as a share of those of a second. */
const BURST = 0.1;
/** Refusals that may be explained at once, also at a low rate. */
const EXPLAINED_MIN = 10;
/** How long a handshake may wait, by the present rate. Clients of Socket.IO give up after 20 s. */
const WAIT_MAX_MS = 10_000;
/** Bounds the memory: a waiting handshake holds its request. */
const WAITING_MAX = 10_000;
/** Refused clients are spread over at most this time. */
const SPREAD_MAX_MS = 30_000;
/** Ticks end when no client has come for as long. */
const IDLE_MS = 5000;

/** What happens to a handshake. */
export type Decision =
  /** It goes on at once. */
  | { readonly kind: 'admitted' }
  /** To be given to {@link Admission.wait}. */
  | { readonly kind: 'waits' }
  /**
   * `isExplained`: the client is connected, so that the refusal can carry the time. Otherwise the handshake itself is refused.
   */
  | { readonly kind: 'refused'; readonly retryAfterMs: number; readonly isExplained: boolean };

/** Decides how many handshakes of a node go on, so that a storm of them leaves time for other work. */
export interface Admission {
  /** @param canExplain whether the client understands a refusal with a time */
  decide(canExplain: boolean): Decision;
  /** Puts a handshake at the end of the queue. @returns takes it out */
  wait(admit: () => void): () => void;
}

interface Dependencies {
  /** `undefined`: derived from the lag of the event loop; 0: no limit. */
  readonly perSecond: number | undefined;
  /** Must not jump: the lag is measured with it. */
  readonly clock: Clock;
  readonly random?: () => number;
  /** Those that wait go on at once, to be refused for that reason. */
  readonly isDraining: () => boolean;
  readonly metrics: Pick<Metrics, 'admissions' | 'admissionWaiting' | 'admissionRate'>;
}

/** To be created once for a node: all of its handshakes wait in one queue. Its timer runs only while some come. */
export function createAdmission({ perSecond, ...rest }: Dependencies): Admission {
  return perSecond === 0 ? createUnlimited(rest) : createLimited(toRate(perSecond), rest);
}

const toRate = (perSecond: number | undefined): AdmissionRate =>
  perSecond === undefined ? createRateByLag() : fixedRate(perSecond);

const ADMITTED = { kind: 'admitted' } as const;
const WAITS = { kind: 'waits' } as const;

type Limited = Omit<Dependencies, 'perSecond'>;

const createUnlimited = ({ metrics }: Limited): Admission => ({
  decide() {
    metrics.admissions.inc({ result: 'admitted' });
    return ADMITTED;
  },
  wait(admit) {
    admit();
    return () => undefined;
  },
});

function createLimited(rate: AdmissionRate, { clock, random = Math.random, isDraining, metrics }: Limited): Admission {
  const waiting = new Set<() => void>();
  const admissions = createBucket(rate, clock, 1);
  const explanations = createBucket(rate, clock, EXPLAINED_MIN);
  /** When all refused clients that got a time are expected to be back. */
  let returnedAt = 0;
  let askedAt = 0;
  let tickedAt = 0;
  let stopTicks: (() => void) | undefined;
  metrics.admissionWaiting.observe({}, () => waiting.size);
  metrics.admissionRate.observe({}, () => rate.perSecond);

  const admitWaiting = (): void => {
    for (const admit of waiting) {
      if (!isDraining() && !admissions.take()) return;
      waiting.delete(admit);
      metrics.admissions.inc({ result: 'admitted' });
      admit();
    }
  };
  const tick = (): void => {
    const now = clock.now();
    rate.observe(now - tickedAt - TICK_MS, waiting.size > 0);
    tickedAt = now;
    admitWaiting();
    if (waiting.size > 0 || now - askedAt < IDLE_MS) return;
    stopTicks?.();
    stopTicks = undefined;
  };
  const startTicks = (): void => {
    if (stopTicks !== undefined) return;
    tickedAt = clock.now();
    stopTicks = clock.every(TICK_MS, tick);
  };
  const placesOf = (): number => Math.min(WAITING_MAX, Math.ceil((rate.perSecond * WAIT_MAX_MS) / 1000));

  /** Each refused client gets the next place after those that wait and those that were refused before. */
  const refuse = (canExplain: boolean): Decision => {
    const now = clock.now();
    const eachMs = 1000 / rate.perSecond;
    const freeAt = Math.max(now + waiting.size * eachMs, returnedAt);
    const isExplained = canExplain && explanations.take();
    if (isExplained) returnedAt = Math.min(freeAt + eachMs, now + SPREAD_MAX_MS);
    const spreadMs = Math.min(freeAt + eachMs - now, SPREAD_MAX_MS);
    metrics.admissions.inc({ result: 'refused' });
    return { kind: 'refused', retryAfterMs: Math.ceil(spreadMs * (0.5 + random())), isExplained };
  };

  return {
    decide(canExplain) {
      askedAt = clock.now();
      startTicks();
      if (waiting.size === 0 && admissions.take()) {
        metrics.admissions.inc({ result: 'admitted' });
        return ADMITTED;
      }
      return waiting.size < placesOf() ? WAITS : refuse(canExplain);
    },
    wait(admit) {
      waiting.add(admit);
      return () => {
        if (waiting.delete(admit)) metrics.admissions.inc({ result: 'abandoned' });
      };
    },
  };
}

/** A token bucket. @param min its capacity at a low rate */
function createBucket(rate: AdmissionRate, clock: Clock, min: number) {
  const capacity = (): number => Math.max(min, rate.perSecond * BURST);
  let tokens = capacity();
  let filledAt = clock.now();
  return {
    take(): boolean {
      const now = clock.now();
      tokens = Math.min(capacity(), tokens + ((now - filledAt) * rate.perSecond) / 1000);
      filledAt = now;
      if (tokens < 1) return false;
      tokens -= 1;
      return true;
    },
  };
}

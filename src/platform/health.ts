import type { Metrics } from './metrics.js';
import type { Clock } from './time/clock.js';
import { valueWithin } from './time/within-ms.js';

/** A service that the gateway depends on. */
export interface Dependency {
  /** @throws when it cannot be reached */
  ping(): Promise<void>;
}

/** Whether this process should get traffic. */
export interface Health {
  /** Sets the dependencies to check. */
  watch(dependencies: Readonly<Record<string, Dependency>>): void;
  /** Marks the process as draining: it accepts no new connections and disconnects clients. */
  beginDraining(): void;
  isDraining(): boolean;
  /** Whether readiness was asked for within the last minute, as a load balancer does. */
  isPolled(): boolean;
  /** Names of unreachable dependencies, and `draining`. */
  missing(): Promise<string[]>;
  /** Brings the metric of the dependencies up to date. */
  measure(): Promise<void>;
  /** Whether each dependency answers at once. For operators: it does not count as a readiness probe. */
  states(): Promise<Readonly<Record<string, boolean>>>;
}

const POLLED_MS = 60_000;
/** A dependency that takes longer than this is reported as away. */
const STATE_LIMIT_MS = 700;

/** Initially without dependencies. */
export function createHealth({ metrics, clock }: { metrics: Metrics; clock: Clock }): Health {
  let watched: Readonly<Record<string, Dependency>> = {};
  let isDraining = false;
  let polledAt = Number.NEGATIVE_INFINITY;
  const isUp = async ([name, dependency]: [string, Dependency]): Promise<[string, boolean]> => {
    const answers = await dependency.ping().then(
      () => true,
      () => false,
    );
    metrics.dependencyUp.set({ dependency: name }, answers ? 1 : 0);
    return [name, answers];
  };
  const askAll = (): Promise<[string, boolean][]> => Promise.all(Object.entries(watched).map(isUp));
  return {
    watch: (dependencies) => {
      watched = dependencies;
    },
    beginDraining: () => {
      isDraining = true;
    },
    isDraining: () => isDraining,
    isPolled: () => clock.now() - polledAt < POLLED_MS,
    async missing() {
      polledAt = clock.now();
      const away = (await askAll()).filter(([, answersNow]) => !answersNow).map(([name]) => name);
      return isDraining ? [...away, 'draining'] : away;
    },
    async measure() {
      await askAll();
    },
    async states() {
      const answers = Object.entries(watched).map((entry) =>
        valueWithin(isUp(entry), { clock, limitMs: STATE_LIMIT_MS, fallback: [entry[0], false] }),
      );
      return Object.fromEntries(await Promise.all(answers));
    },
  };
}

import type { Metrics } from './metrics.js';

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
  /** Names of unreachable dependencies, and `draining`. */
  missing(): Promise<string[]>;
}

/** Initially without dependencies. */
export function createHealth(metrics: Metrics): Health {
  let watched: Readonly<Record<string, Dependency>> = {};
  let isDraining = false;
  const isUp = async ([name, dependency]: [string, Dependency]): Promise<[string, boolean]> => {
    const answers = await dependency.ping().then(
      () => true,
      () => false,
    );
    metrics.dependencyUp.set({ dependency: name }, answers ? 1 : 0);
    return [name, answers];
  };
  return {
    watch: (dependencies) => {
      watched = dependencies;
    },
    beginDraining: () => {
      isDraining = true;
    },
    isDraining: () => isDraining,
    async missing() {
      const answers = await Promise.all(Object.entries(watched).map(isUp));
      const away = answers.filter(([, answersNow]) => !answersNow).map(([name]) => name);
      return isDraining ? [...away, 'draining'] : away;
    },
  };
}

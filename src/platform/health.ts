import type { Metrics } from './metrics.js';

/** Something the gateway stands on. */
export interface Dependency {
  /** @throws when it cannot be reached now */
  ping(): Promise<void>;
}

/** Whether this process should get traffic. */
export interface Health {
  /** The dependencies to check. */
  watch(dependencies: Readonly<Record<string, Dependency>>): void;
  /** From now on no new connection is taken; what is there is let go. */
  beginDraining(): void;
  isDraining(): boolean;
  /** Names what is missing: dependencies that do not answer, and `draining`. */
  missing(): Promise<string[]>;
}

/** Nothing is watched at first. */
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

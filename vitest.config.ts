import { availableParallelism } from 'node:os';
import { defineConfig, type ViteUserConfig } from 'vitest/config';
import { SlowFirst } from './test/support/slow-first.js';
import { findUnitTests } from './test/support/unit-tests.js';

/** What all tests run with. */
export const base = {
  // `source` alone: with the default conditions beside it, `#shared/*` would resolve to the build.
  resolve: { conditions: ['source'] },
  ssr: { resolve: { conditions: ['source'] } },
  test: {
    pool: 'forks',
    // Nodes and clients in one process make much garbage that is soon gone. With more room for it, collections are rarer and find less.
    execArgv: ['--max-semi-space-size=64'],
    // Files share what is loaded: to load it for each would take more than a second of CPU a file.
    isolate: false,
    // By default one core would stay idle.
    maxWorkers: availableParallelism(),
    // Guards against hanging; generous, because a loaded machine can be many times slower.
    testTimeout: 120_000,
    hookTimeout: 180_000,
    expect: { poll: { timeout: 110_000 } },
  },
} as const satisfies ViteUserConfig;

/** What tests with other processes need, once for the whole run and before each file. */
export const services = {
  globalSetup: ['test/support/global-setup.ts'],
  setupFiles: ['test/support/per-file.ts'],
};

export default defineConfig(async () => {
  const unitTests = await findUnitTests();
  const others = { name: 'services', include: ['test/**/*.test.ts'], exclude: unitTests, ...services };
  // They wait for leases, starts and clients much of the time. Groups with different numbers of workers run one after another.
  const waiting = { maxWorkers: availableParallelism() + 1, sequence: { groupOrder: 1 } };
  return {
    ...base,
    test: {
      ...base.test,
      sequence: { sequencer: SlowFirst },
      projects: [
        { extends: true as const, test: { name: 'unit', include: unitTests } },
        { extends: true as const, test: { ...others, ...waiting } },
      ],
    },
  };
});

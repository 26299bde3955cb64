import { defineConfig } from 'vitest/config';

export default defineConfig({
  // `source` alone: with the default conditions beside it, `#shared/*` would resolve to the build.
  resolve: { conditions: ['source'] },
  ssr: { resolve: { conditions: ['source'] } },
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: ['test/support/global-setup.ts'],
    pool: 'forks',
    // Most tests wait for something; by default one core would stay idle.
    maxWorkers: '100%',
    // Guards against hanging; generous, because a loaded machine can be many times slower.
    testTimeout: 120_000,
    hookTimeout: 180_000,
  },
});

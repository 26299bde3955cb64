import { defineConfig } from 'vitest/config';

export default defineConfig({
  // `source` alone: with the default conditions beside it, `#shared/*` would resolve to the build.
  resolve: { conditions: ['source'] },
  ssr: { resolve: { conditions: ['source'] } },
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: ['test/support/global-setup.ts'],
    pool: 'forks',
    testTimeout: 30_000,
    hookTimeout: 60_000,
  },
});

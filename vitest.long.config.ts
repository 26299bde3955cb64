import { defineConfig } from 'vitest/config';
import { base, services } from './vitest.config.js';

/** The proofs that take minutes. */
export default defineConfig({
  ...base,
  test: {
    ...base.test,
    ...services,
    include: ['test/**/*.long.ts'],
    testTimeout: 900_000,
    expect: { poll: { timeout: 600_000 } },
  },
});

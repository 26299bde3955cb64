import { mergeConfig } from 'vitest/config';
import base from './vitest.config.js';

const long = mergeConfig(base, { test: { testTimeout: 600_000 } });
long.test.include = ['test/**/*.long.ts'];
export default long;

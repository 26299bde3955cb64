import { beforeAll } from 'vitest';
import { wireFaults } from './contract.js';

/* Runs before each file. Files of a worker share modules: what one file has collected is no fault of the next. */
beforeAll(() => {
  wireFaults.length = 0;
});

import { afterAll, afterEach, expect } from 'vitest';
import { wireFaults } from './contract.js';

/* Runs before each file. What clients heard must be what the contracts say: in each test, and until the end of the file. */
const expectNoFaults = (): void => expect(wireFaults.splice(0)).toEqual([]);
afterEach(expectNoFaults);
afterAll(expectNoFaults);

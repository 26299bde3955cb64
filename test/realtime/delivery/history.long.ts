import { test } from 'vitest';
import { runHistory } from './history/run.js';

test.each([1, 2, 3])('every message is accounted for, whatever fails meanwhile (seed %i)', (seed) =>
  runHistory({ seed, acts: 1200, users: 4 }),
);

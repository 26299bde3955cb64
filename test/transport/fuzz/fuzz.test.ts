import { expect, test } from 'vitest';
import { environment } from '../../../src/config.js';
import { startNodeHere } from './node.js';
import { fuzz } from './run.js';

/** A fixed seed. `fuzz.long.ts` sends more inputs, with a random seed. */
const SEED = 1;
const INPUTS = 500;
/** Both nodes and all clients share one process, on a machine that may be loaded. */
const MARGIN_MS = 60_000;

test('withstands a short run of the fuzzer on two nodes', async () => {
  const { EVENT_TIMEOUT_MS } = environment.parse({});
  const run = await fuzz({
    seed: SEED,
    inputs: INPUTS,
    eventTimeoutMs: EVENT_TIMEOUT_MS,
    marginMs: MARGIN_MS,
    startNode: startNodeHere,
  });
  expect(run.faults).toEqual([]);
  expect(run.inputs).toBeGreaterThanOrEqual(INPUTS);
  // Most events are invalid; the valid ones reach the handlers behind the parser.
  expect(run.outcomes.get('SUCCESS')).toBeGreaterThan(INPUTS / 20);
});

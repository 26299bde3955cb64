import { expect, test } from 'vitest';
import { environment } from '../../../src/config.js';
import { startGatewayProcess } from '../../support/gateway-process.js';
import { fuzz } from './run.js';

const INPUTS = 120_000;
/** `FUZZ_SEED` repeats a run; `FUZZ_INPUTS` sets its length. */
const seed = Number(process.env['FUZZ_SEED'] ?? Date.now() % 2 ** 31);
const inputs = Number(process.env['FUZZ_INPUTS'] ?? INPUTS);

test('answers every input and affects no other client', { timeout: 3_600_000 }, async () => {
  process.stdout.write(`FUZZ_SEED=${seed}\n`);
  const { EVENT_TIMEOUT_MS } = environment.parse({});
  const startedAt = performance.now();
  const run = await fuzz({ seed, inputs, eventTimeoutMs: EVENT_TIMEOUT_MS, startNode: startGatewayProcess });
  const seconds = Math.round((performance.now() - startedAt) / 1000);
  process.stdout.write(
    `${run.inputs} inputs in ${seconds} s: ${JSON.stringify(Object.fromEntries(run.outcomes))} untouched: ${run.untouched}\n`,
  );
  expect(run.faults, `FUZZ_SEED=${seed}`).toEqual([]);
  // Short runs do not reach every event and route.
  if (inputs >= INPUTS) expect(run.untouched).toEqual([]);
  expect(run.inputs).toBeGreaterThanOrEqual(inputs);
});

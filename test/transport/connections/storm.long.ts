import { once } from 'node:events';
import { expect, test } from 'vitest';
import { measureStorm, startOwnDatabase } from '../../../scripts/bench/storm/rig.js';
import { startGatewayProcess } from '../../support/gateway-process.js';

/** `npm run bench -- storm` measures the exact numbers on a machine that does nothing else. */
const CLIENTS = 10_000;
/**
 * The bounds hold on an idle machine; another test may run beside this one. Then fewer clients come at a time, so fewer share a
 * command of the database. Without shared commands each would take eight.
 */
const TIMES_ON_A_LOADED_MACHINE = 10;

test('10,000 clients of a node that was killed come back to the other, which stays responsive', async () => {
  const result = await measureStorm({
    clients: CLIENTS,
    limitMs: 400_000,
    startDatabase: startOwnDatabase,
    async startNode(settings) {
      const { port, child } = await startGatewayProcess(settings);
      return {
        port,
        async kill() {
          if (child.exitCode !== null || child.signalCode !== null) return;
          const ended = once(child, 'exit');
          child.kill('SIGKILL');
          await ended;
        },
      };
    },
  });
  process.stdout.write(`${JSON.stringify(result)}\n`);
  expect(result).toMatchObject({ entered: CLIENTS, failed: 0, lost: 0, restFailures: 0 });
  expect(result.durable).toBeGreaterThan(500);
  expect(result.commandsEach).toBeLessThan(0.2 * TIMES_ON_A_LOADED_MACHINE);
  expect(result.backMs).toBeLessThan(30_000 * TIMES_ON_A_LOADED_MACHINE);
  expect(result.lagMs.p99).toBeLessThan(200 * TIMES_ON_A_LOADED_MACHINE);
  expect(result.restMs.p99).toBeLessThan(500 * TIMES_ON_A_LOADED_MACHINE);
});

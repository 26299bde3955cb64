import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { freePort } from '../../test/support/redis-server.js';
import type { BenchOptions } from './options.js';
import { beginReport, publish, toResult } from './results.js';
import { startDatabase } from './rig.js';
import { measureStorm } from './storm/rig.js';
import type { StormNode, StormResult } from './storm/run.js';
import { thisCheckout } from './workers.js';

/*
 * Clients of a node that is killed come back to the other one. Both nodes, Redis, the database and all clients are on this
 * machine.
 */

const LIMIT_MS = 120_000;

/** What is reported, with the bound of each figure. */
const ROWS: readonly { name: string; unit: string; of(result: StormResult): number }[] = [
  { name: 'all are back (at most 30,000)', unit: 'ms', of: ({ backMs }) => backMs },
  { name: 'lag of the event loop, p99 of the worst second (at most 200)', unit: 'ms', of: ({ lagMs }) => lagMs.p99 },
  { name: 'longest lag of the event loop', unit: 'ms', of: ({ lagMs }) => lagMs.max },
  { name: 'REST, p50', unit: 'ms', of: ({ restMs }) => restMs.p50 },
  { name: 'REST, p99 (at most 500)', unit: 'ms', of: ({ restMs }) => restMs.p99 },
  {
    name: 'commands of the database for each client (at most 0.2)',
    unit: 'commands',
    of: ({ commandsEach }) => commandsEach,
  },
  { name: 'handshakes for each client', unit: 'handshakes', of: ({ attemptsEach }) => attemptsEach },
  { name: 'handshakes refused', unit: 'handshakes', of: ({ refused }) => refused },
  { name: 'CONNECTs refused with a time', unit: 'CONNECTs', of: ({ explained }) => explained },
  { name: 'durable messages lost', unit: 'messages', of: ({ lost }) => lost },
];

/** The build, as in production. */
const parts = { startDatabase: (directory: string) => startDatabase(directory), startNode };

/** Runs on the embedded database; publishes a report. */
export async function run({ rounds, connections }: BenchOptions): Promise<void> {
  const report = beginReport('storm', [
    `${rounds} rounds with ${connections} clients. Everything runs on this machine.`,
  ]);
  const results: StormResult[] = [];
  for (let round = 0; round < rounds; round += 1)
    results.push(await measureStorm({ clients: connections, limitMs: LIMIT_MS, ...parts }));
  for (const { name, unit, of } of ROWS) {
    report.scenarios.push(
      toResult({ name, unit, lines: [{ label: 'gateway', samples: results.map(of) }], comparisons: [] }),
    );
  }
  await publish(report);
  const failed = results.filter((result) => result.lost > 0 || result.failed > 0 || result.entered < connections);
  if (failed.length > 0) throw new Error(`clients or messages are missing: ${JSON.stringify(failed)}`);
}

async function startNode(settings: Readonly<Record<string, string>>): Promise<StormNode> {
  const port = await freePort();
  const child = spawn(process.execPath, ['--enable-source-maps', join(thisCheckout, 'dist/src/main.js')], {
    env: { PATH: process.env['PATH'], NODE_ENV: 'production', HOST: '127.0.0.1', PORT: String(port), ...settings },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = once(child, 'exit');
  await listening(child);
  return {
    port,
    async kill() {
      child.kill('SIGKILL');
      await ended;
    },
  };
}

/** @throws Error when the process ends instead */
function listening(child: ChildProcess): Promise<void> {
  return new Promise((resolve, reject) => {
    if (child.stdout !== null) {
      createInterface({ input: child.stdout }).on('line', (line) => {
        if (line.includes('"event":"listening"')) resolve();
      });
    }
    child.once('exit', (code) => reject(new Error(`the gateway ended with ${code} before it listened`)));
  });
}

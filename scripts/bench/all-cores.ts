import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { createConnection } from 'mongoose';
import { defineModels } from '#shared/models/index.js';
import { freePort, startRedis } from '../../test/support/redis-server.js';
import type { BenchOptions } from './options.js';
import { disconnected, settled, usageOf } from './processes.js';
import { beginReport, type Line, publish, toResult } from './results.js';
import { seedUsers } from './seed.js';
import { API_KEY, type LoadOrder, type LoadResult, PING_INTERVAL_MS, SECRET, type Target } from './wire.js';
import { startWorker, thisCheckout } from './workers.js';

/*
 * Connects, emits and fan-out with one and with several workers (`WORKERS`). The machines share a database, each has a Redis,
 * and all clients are on the same machine: with few cores they take the time that further workers would use.
 */

const WORKERS = [1, 2] as const;
const USERS = 1000;
const TOGETHER = 100;

interface Step {
  readonly name: string;
  readonly order: (target: Target) => LoadOrder;
}

/** In this order in each round: the clients of one step are there in the next. */
const STEPS: readonly Step[] = [
  { name: 'connect, 500 clients', order: (target) => ({ kind: 'connect', target, count: 500, inFlight: TOGETHER }) },
  { name: 'emit, 32 in flight', order: (target) => ({ kind: 'emit', target, requests: 1500, inFlight: 32 }) },
  { name: 'fan-out to 500, for each', order: (target) => ({ kind: 'fanOut', target, requests: 50 }) },
  { name: 'leave', order: (target) => ({ kind: 'close', target }) },
];

/** A gateway with its Redis. */
interface Machine {
  readonly label: string;
  readonly target: Target;
  /** Of the gateway, without its Redis. */
  readonly pid: number;
  stop(): Promise<void>;
}

/** Runs on the embedded database; publishes a report. */
export async function run({ rounds }: BenchOptions): Promise<void> {
  const notes = [`${rounds} rounds; the machines take turns in each. The load generator is on the same machine.`];
  const report = beginReport('workers', notes);
  const directory = await mkdtemp(join(tmpdir(), 'general-socket-bench-'));
  const database = await startDatabase(directory);
  const { worker: load } = await startWorker<LoadOrder, LoadResult>('load/main');
  const machines: Machine[] = [];
  try {
    for (const workers of WORKERS) machines.push(await startMachine(workers, database.url));
    const samples = new Map<string, Sample[]>();
    // The first round compiles the code.
    for (let round = -1; round < rounds; round += 1) {
      for (const machine of round % 2 === 0 ? machines : machines.toReversed()) {
        for (const { name, order } of STEPS) {
          const sample = await measure(machine, () => load.ask(order(machine.target)));
          const key = `${name} ${machine.label}`;
          if (round >= 0) samples.set(key, [...(samples.get(key) ?? []), sample]);
        }
        await disconnected(machine.target.ports);
      }
    }
    const [one, two] = machines.map(({ label }) => label);
    for (const { name } of STEPS) {
      report.scenarios.push(
        toResult({
          name,
          unit: 'µs CPU of the gateway for each',
          lines: machines.map(({ label }) => toMedianLine(label, samples.get(`${name} ${label}`) ?? [])),
          comparisons: one === undefined || two === undefined ? [] : [{ of: two, against: one }],
        }),
      );
    }
  } finally {
    await load.stop();
    await Promise.all(machines.map((machine) => machine.stop()));
    await database.stop();
    await rm(directory, { recursive: true, force: true });
  }
  await publish(report);
}

interface Sample {
  readonly cpuMicros: number;
  readonly perSecond: number;
}

async function measure({ pid }: Machine, work: () => Promise<LoadResult>): Promise<Sample> {
  await settled([pid]);
  const before = usageOf([pid]).cpuMicros;
  const { operations, durationMs } = await work();
  await settled([pid]);
  const cpuMicros = (usageOf([pid]).cpuMicros - before) / operations;
  return { cpuMicros, perSecond: (operations / durationMs) * 1000 };
}

function toMedianLine(label: string, samples: readonly Sample[]): Line {
  const rates = samples.map(({ perSecond }) => perSecond).sort((one, other) => one - other);
  return {
    label,
    samples: samples.map(({ cpuMicros }) => cpuMicros),
    operationsPerSecond: rates[Math.floor(rates.length / 2)] ?? Number.NaN,
  };
}

async function startDatabase(directory: string): Promise<{ url: string; stop(): Promise<void> }> {
  const { startEmbedded } = (await import(
    join(thisCheckout, 'dist/src/embedded/index.js')
  )) as typeof import('../../src/embedded/index.js');
  const database = await startEmbedded({ directory: join(directory, 'db') });
  const connection = await createConnection(database.url, { autoIndex: false }).asPromise();
  await seedUsers(defineModels(connection), USERS);
  await connection.close();
  return database;
}

async function startMachine(workers: number, mongodbUrl: string): Promise<Machine> {
  const [redis, port] = [await startRedis(), await freePort()];
  const child = spawn(process.execPath, ['--enable-source-maps', join(thisCheckout, 'dist/src/main.js')], {
    env: {
      PATH: process.env['PATH'],
      NODE_ENV: 'production',
      HOST: '127.0.0.1',
      PORT: String(port),
      WORKERS: String(workers),
      REDIS_URL: redis.url,
      MONGODB_URL: mongodbUrl,
      JWT_SECRET: SECRET,
      JWT_AUDIENCE: '*',
      EMIT_API_KEYS: API_KEY,
      EVENT_LIMIT: '100000000',
      CONNECTIONS_MAX: '0',
      ADDRESS_CONNECTIONS_MAX: '0',
      PRESENCE_GRACE_MS: '0',
      SHUTDOWN_DRAIN_MS: '0',
      PING_INTERVAL_MS: String(PING_INTERVAL_MS),
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await listening(child, workers);
  return {
    label: workers === 1 ? '1 worker' : `${workers} workers`,
    target: { protocol: 'socket.io', ports: [port] },
    pid: child.pid ?? 0,
    async stop() {
      const ended = once(child, 'exit');
      child.kill('SIGTERM');
      await ended;
      await redis.dispose();
    },
  };
}

/** Waits until all workers listen. @throws Error when the process ends instead */
function listening(child: ChildProcess, workers: number): Promise<void> {
  return new Promise((resolve, reject) => {
    let count = 0;
    if (child.stdout !== null) {
      createInterface({ input: child.stdout }).on('line', (line) => {
        if (line.includes('"event":"listening"')) count += 1;
        if (count === workers) resolve();
      });
    }
    child.once('exit', (code) => reject(new Error(`the gateway ended with ${code} before it listened`)));
  });
}

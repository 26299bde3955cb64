import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { connect } from '../support/client.js';
import { SECRET } from '../support/gateway.js';
import { compiled, projectDirectory } from '../support/script.js';
import { until } from '../support/until.js';
import { createMachines, isRunning, type Machines, nodesOf, pidsOf } from './machine.js';

let machines: Machines;

beforeAll(async () => {
  machines = await createMachines();
});
afterAll(() => machines.close());

test('a worker that an operator drains leaves the port to the others; workers of a primary that is killed drain and end', async () => {
  const machine = await machines.start({ SHUTDOWN_DRAIN_MS: '300' });
  const pids = pidsOf(machine);
  const [node] = await nodesOf(machine);
  await machine.ask('POST', `/nodes/${node?.id}/drain`);
  await until(async () =>
    (await nodesOf(machine)).some(({ id, isDraining }) => id === node?.id && isDraining === true),
  );
  const clients = await Promise.all(Array.from({ length: 6 }, () => connect(machine)));
  expect((await fetch(`${machine.url}/health/ready`)).status).toBe(200);
  expect((await nodesOf(machine)).map(({ id, connections }) => id === node?.id || connections)).toContain(6);

  machine.child.kill('SIGKILL');
  for (const client of clients) {
    expect(await client.next('server_draining')).toEqual([{ retry_after_ms: 300 }]);
    expect(await client.closed).toBe('transport close');
  }
  await until(() => !pids.some(isRunning));
  await expect(fetch(`${machine.url}/status`)).rejects.toThrow();
});

test('workers that were all drained leave the port to the first that is started again', async () => {
  const machine = await machines.start({ SHUTDOWN_DRAIN_MS: '300' });
  // A worker that is killed takes its calls with it.
  const isReady = (): Promise<boolean> =>
    fetch(`${machine.url}/health/ready`).then(
      ({ status }) => status === 200,
      () => false,
    );
  const nodes = (await nodesOf(machine)).toSorted((one, other) => String(one.name).localeCompare(String(other.name)));
  for (const { id } of nodes) await machine.ask('POST', `/nodes/${id}/drain`);
  await until(async () => (await nodesOf(machine)).every(({ isDraining }) => isDraining === true));
  expect(await isReady()).toBe(false);
  // The first one has left the port, the second one could not.
  process.kill(pidsOf(machine)[0] ?? 0, 'SIGKILL');
  await until(isReady);
  const clients = await Promise.all(Array.from({ length: 6 }, () => connect(machine)));
  for (const client of clients) client.close();
  machine.child.kill('SIGTERM');
  expect(await machine.ended).toBe(0);
});

test('signals shortly after the first, also those to the workers, change nothing; a later one ends all at once with 1', async () => {
  const machine = await machines.start({ SHUTDOWN_DRAIN_MS: '600000', SHUTDOWN_TIMEOUT_MS: '600000' });
  const pids = pidsOf(machine);
  const client = await connect(machine);
  // As from a terminal.
  for (const signal of ['SIGINT', 'SIGHUP', 'SIGTERM'] as const) for (const pid of pids) process.kill(pid, signal);
  machine.child.kill('SIGINT');
  machine.child.kill('SIGTERM');
  const other = await connect(machine);
  await Promise.race([client.next('server_draining'), other.next('server_draining')]);
  const ended = machine.ended.then(() => true);
  await until(async () => {
    machine.child.kill('SIGTERM');
    return Promise.race([ended, new Promise<boolean>((resolve) => setImmediate(resolve, false))]);
  });
  expect(await machine.ended).toBe(1);
  await until(() => !pids.some(isRunning));
});

test('a start that fails in the first worker has the exit code and the one sentence of a single process', async () => {
  const run = promisify(execFile)(process.execPath, [compiled('src/main.ts')], {
    cwd: projectDirectory,
    env: {
      PATH: process.env['PATH'],
      NODE_ENV: 'test',
      WORKERS: '2',
      PORT: '0',
      HOST: '127.0.0.1',
      JWT_SECRET: SECRET,
      MONGODB_URL: 'mongodb://127.0.0.1:1',
      REDIS_URL: 'redis://127.0.0.1:1',
      STARTUP_TIMEOUT_MS: '1000',
    },
  });
  const { code, stderr } = await run.then(
    () => ({ code: 0, stderr: '' }),
    (error: { code: number; stderr: string }) => error,
  );
  expect(code).toBe(24);
  expect(stderr.trim().split('\n')).toEqual([expect.stringContaining('MongoDB')]);
});

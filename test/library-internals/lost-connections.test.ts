import cluster, { type Worker } from 'node:cluster';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import { afterEach, expect, test } from 'vitest';
import { closeLostConnections } from '../../src/library-internals/lost-connections.js';
import { workerParts } from '../../src/library-internals/private-parts.js';
import { until } from '../support/until.js';

/** A worker sends its process id to each client. */
const WORKER = `require('node:net').createServer((socket) => socket.end(String(process.pid))).listen(0, '127.0.0.1')`;

const started: Worker[] = [];
afterEach(async () => {
  const ends = started.splice(0).map(({ process: child }) => {
    child.kill('SIGKILL');
    return child.exitCode === null && child.signalCode === null ? once(child, 'exit') : undefined;
  });
  await Promise.all(ends);
});

/** Starts a worker, and waits until it listens. */
async function startWorker(names: unknown[] = []): Promise<{ worker: Worker; port: number }> {
  cluster.setupPrimary({ exec: 'worker', args: [], execArgv: ['--eval', WORKER], serialization: 'advanced' });
  const worker = cluster.fork();
  started.push(worker);
  worker.on('error', () => undefined);
  closeLostConnections(worker, { warn: (details: { part?: unknown }) => void names.push(details.part) } as never);
  // The workers of a primary that ask for any port get one and the same.
  const [{ port }] = (await once(worker, 'listening')) as [{ port: number }];
  return { worker, port };
}

const open = (port: number): Socket => connect(port, '127.0.0.1');
/** What a connection sends until it ends, or the code of its error. */
const read = (socket: Socket): Promise<string> => text(socket).catch(({ code }: NodeJS.ErrnoException) => String(code));

test('ends the connection that a killed worker has not taken over, and no other', async () => {
  const { worker: stopped, port } = await startWorker();
  const { worker: other } = await startWorker();
  process.kill(stopped.process.pid ?? 0, 'SIGSTOP');
  const responses: string[] = [];
  const reads = Array.from({ length: 5 }, () => read(open(port)).then((response) => responses.push(response)));
  // One of them is on its way to the stopped worker.
  await until(() => responses.length === 4);
  expect(new Set(responses)).toEqual(new Set([String(other.process.pid)]));
  process.kill(stopped.process.pid ?? 0, 'SIGKILL');
  await Promise.all(reads);
  expect(responses[4]).toMatch(/^(ECONNRESET)?$/);
  expect(await read(open(port))).toBe(String(other.process.pid));
});

test('frees the port when the last worker is killed with a connection on the way to it', async () => {
  const { worker, port } = await startWorker();
  const { pid = 0 } = worker.process;
  process.kill(pid, 'SIGSTOP');
  const [lost, waiting] = [open(port), open(port)];
  await Promise.all([once(lost, 'connect'), once(waiting, 'connect')]);
  process.kill(pid, 'SIGKILL');
  await Promise.all([read(lost), read(waiting)]);
  expect(await read(open(port))).toBe('ECONNREFUSED');
});

test('the installed version has the parts that it uses', async () => {
  const missing: unknown[] = [];
  const { port } = await startWorker(missing);
  await read(open(port));
  expect(missing).toEqual([]);
});

test.each(workerParts)('without messages nothing has $name', ({ isThere }) => {
  expect(isThere({})).toBe(false);
});

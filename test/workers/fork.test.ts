import cluster from 'node:cluster';
import { afterEach, expect, test, vi } from 'vitest';
import { type ForkWorker, prepareFork } from '../../src/workers/fork.js';

const { execPath } = process;
afterEach(() => {
  process.execPath = execPath;
  vi.restoreAllMocks();
});

const prepare = (): ForkWorker => prepareFork({ warn: () => undefined });

test('a process that cannot be created ends with the reason', async () => {
  process.execPath = '/does/not/exist';
  const worker = prepare()();
  expect(await worker.ended).toEqual({ code: null, signal: null, error: 'ENOENT' });
  expect(worker.send({})).toBe(false);
  expect(Object.keys(cluster.workers ?? {})).toEqual([]);
});

test('a process that is refused by the system ends with the reason', async () => {
  vi.spyOn(cluster, 'fork').mockImplementation(() => {
    throw Object.assign(new Error('spawn ENOMEM'), { code: 'ENOMEM' });
  });
  const worker = prepare()();
  expect(await worker.ended).toEqual({ code: null, signal: null, error: 'ENOMEM' });
  expect(worker.send({})).toBe(false);
});

import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { countCores } from '../../src/config/cores.js';
import { readConfig, readSettings } from '../../src/config.js';
import { temporaryDirectory } from '../support/temporary-directory.js';

const shared = { REDIS_URL: 'redis://localhost', MONGODB_URL: 'mongodb://localhost' };

const problemsOf = (env: Record<string, string>): readonly string[] =>
  readSettings({ env: { NODE_ENV: 'test', ...env } }).problems;

test('WORKERS is a number or auto, and 1 when unset', () => {
  expect(readConfig({ NODE_ENV: 'test' }).workers).toBe(1);
  expect(readConfig({ NODE_ENV: 'test', WORKERS: ' 3 ', ...shared }).workers).toBe(3);
  expect(readConfig({ NODE_ENV: 'test', WORKERS: 'auto', ...shared }).workers).toBe(countCores());
  for (const WORKERS of ['0', '-1', '1.5', '257', 'all', 'Auto', ' ']) {
    expect(problemsOf({ WORKERS, ...shared })).toEqual(['WORKERS: must be auto, or a whole number between 1 and 256']);
  }
});

test('several workers without Redis, without MongoDB, or with polling are refused with the reason', () => {
  expect(problemsOf({ WORKERS: '2', ...shared })).toEqual([]);
  expect(problemsOf({ WORKERS: '1', SOCKET_TRANSPORTS: 'websocket,polling' })).toEqual([]);
  expect(problemsOf({ WORKERS: '2', SOCKET_TRANSPORTS: 'websocket,polling' })).toEqual([
    'WORKERS: 2 workers need REDIS_URL: events, presence and limits go through Redis',
    'WORKERS: 2 workers need MONGODB_URL: the embedded database belongs to one process',
    expect.stringContaining('WORKERS: 2 workers cannot serve polling'),
  ]);
});

test.each([
  ['max 100000', 8, 8],
  ['200000 100000', 8, 2],
  ['250000 100000', 8, 2],
  ['50000 100000', 8, 1],
  ['800000 100000', 4, 4],
  ['nonsense', 4, 4],
])('with the CPU limit %j of a container, %i cores count as %i', async (limit, cores, expected) => {
  const path = join(await temporaryDirectory(), 'cpu.max');
  await writeFile(path, `${limit}\n`);
  expect(countCores(cores, path)).toBe(expected);
  expect(countCores(cores, `${path}.missing`)).toBe(cores);
});

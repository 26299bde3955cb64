import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { compiled } from '../support/script.js';
import { readSources } from './sources.js';

/** Modules that are a process or a page: loading them starts it. */
const ENTRY_POINTS = ['src/main.ts', 'src/workers/child.ts', 'src/embedded/process/child.ts', 'src/console/main.tsx'];

/**
 * Imports each module of its arguments, and prints the first after which the process would not end by itself. The first argument is
 * how long it waits for that.
 */
const PROBE = `
  const [limitMs, ...paths] = process.argv.slice(1);
  for (const path of paths) {
    await import(path);
    // The event is emitted when nothing is open. The limit is reached only by a module that leaves something open.
    const isIdle = await new Promise((resolve) => {
      const limit = setTimeout(() => resolve(false), Number(limitMs)).unref();
      process.once('beforeExit', () => setImmediate(() => {
        clearTimeout(limit);
        resolve(true);
      }));
    });
    if (isIdle) continue;
    const open = path + ' leaves open: ' + process.getActiveResourcesInfo().join(' ');
    await new Promise((resolve) => process.stdout.write(open, resolve));
    process.exit(0);
  }
`;

test('loading a module opens no connection, server or timer', async () => {
  const sources = await readSources(['src', 'shared']);
  const paths = sources.map(({ path }) => path).filter((path) => !ENTRY_POINTS.includes(path));
  const leak = 'data:text/javascript,setInterval(() => 0, 1000).hasRef()';
  const [found, foundOfLeak] = await Promise.all([probe(60_000, paths.map(compiled)), probe(1000, [leak])]);
  expect(found).toBe('');
  expect(foundOfLeak).toContain('leaves open');
});

async function probe(limitMs: number, modules: readonly string[]): Promise<string> {
  const args = ['--input-type=module', '--eval', PROBE, String(limitMs), ...modules];
  const { stdout } = await promisify(execFile)(process.execPath, args);
  return stdout;
}

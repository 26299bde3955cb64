import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { compiled } from '../support/script.js';
import { readSources } from './sources.js';

/** Modules that are a process or a page: loading them starts it. */
const ENTRY_POINTS = ['src/main.ts', 'src/workers/child.ts', 'src/embedded/process/child.ts', 'src/console/main.tsx'];

/** Imports each module of its arguments, and prints the first after which the process would not end by itself. */
const PROBE = `
  for (const path of process.argv.slice(1)) {
    await import(path);
    // The event is emitted when nothing is open. The limit is reached only by a module that leaves something open.
    const isIdle = await new Promise((resolve) => {
      const limit = setTimeout(() => resolve(false), 5000).unref();
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
  // The probe waits for what the leak leaves open, so both run at the same time.
  const [found, foundOfLeak] = await Promise.all([probe(paths.map(compiled)), probe([leak])]);
  expect(found).toBe('');
  expect(foundOfLeak).toContain('leaves open');
});

async function probe(modules: readonly string[]): Promise<string> {
  const args = ['--input-type=module', '--eval', PROBE, ...modules];
  const { stdout } = await promisify(execFile)(process.execPath, args);
  return stdout;
}

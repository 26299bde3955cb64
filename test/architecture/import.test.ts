import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { readSources } from './sources.js';

/** Modules that are a process: loading them starts it. */
const ENTRY_POINTS = ['src/main.ts', 'src/embedded/main.ts'];

/** Imports each module of its arguments and prints those after which something is open that was not open before. */
const PROBE = `
  const open = () => process.getActiveResourcesInfo().sort().join(' ');
  const before = open();
  for (const path of process.argv.slice(1)) {
    await import(path);
    if (open() !== before) process.stdout.write(path + ' leaves open: ' + open() + '\\n');
  }
`;

test('loading a module connects, listens and waits for nothing', async () => {
  const root = fileURLToPath(new URL('../../', import.meta.url));
  const sources = await readSources(['src', 'shared']);
  const paths = sources.map(({ path }) => path).filter((path) => !ENTRY_POINTS.includes(path));
  expect(await probe(root, paths)).toBe('');
  expect(await probe(root, ['data:text/javascript,setInterval(() => 0, 1000).hasRef()'])).toContain('leaves open');
});

async function probe(root: string, paths: readonly string[]): Promise<string> {
  const script = `${PROBE}\nprocess.exit(0);`;
  const modules = paths.map((path) => (path.startsWith('data:') ? path : root + path));
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ['--import', 'tsx', '--conditions=source', '--input-type=module', '--eval', script, ...modules],
    { cwd: root },
  );
  return stdout;
}

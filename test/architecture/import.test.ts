import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { readSources } from './sources.js';

/** Modules that are a process: loading them starts it. */
const ENTRY_POINTS = ['src/main.ts', 'src/embedded/process/child.ts'];

/** Imports each module of its arguments but the first and prints those after which something is open that was not open before. */
const PROBE = `
  // The process streams are opened on first use, and the compiler by the first module.
  const [first, ...paths] = process.argv.slice(1);
  const streams = [process.stdin, process.stdout, process.stderr, await import(first)];
  // Files are read by the loader itself.
  const open = () => process.getActiveResourcesInfo().filter((kind) => !kind.startsWith('FSReq'));
  const newSince = (before) => {
    const left = open();
    for (const kind of before) if (left.includes(kind)) left.splice(left.indexOf(kind), 1);
    return left;
  };
  const found = [];
  for (const path of paths) {
    const before = open();
    await import(path);
    // What the loader itself still does ends soon.
    for (let looks = 0; looks < 100 && newSince(before).length > 0; looks += 1) {
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    const left = newSince(before);
    if (left.length > 0) found.push(path + ' leaves open: ' + left.join(' '));
  }
  process.stdout.write(found.join('\\n'), () => process.exit(0));
`;

test('loading a module opens no connection, server or timer', async () => {
  const root = fileURLToPath(new URL('../../', import.meta.url));
  const sources = await readSources(['src', 'shared']);
  const paths = sources.map(({ path }) => path).filter((path) => !ENTRY_POINTS.includes(path));
  expect(await probe(root, paths)).toBe('');
  expect(await probe(root, ['data:text/javascript,setInterval(() => 0, 1000).hasRef()'])).toContain('leaves open');
});

async function probe(root: string, paths: readonly string[]): Promise<string> {
  const modules = ['shared/contracts/contract.ts', ...paths].map((path) =>
    path.startsWith('data:') ? path : root + path,
  );
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ['--import', 'tsx', '--conditions=source', '--input-type=module', '--eval', PROBE, ...modules],
    { cwd: root },
  );
  return stdout;
}

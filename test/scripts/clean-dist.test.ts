import { execFile } from 'node:child_process';
import { cp, mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { cleanDist } from '../../scripts/clean-dist.js';
import { projectDirectory } from '../support/script.js';
import { temporaryDirectory } from '../support/temporary-directory.js';

async function projectWith(...paths: string[]): Promise<string> {
  const directory = await temporaryDirectory();
  for (const path of paths) {
    await mkdir(join(directory, path, '..'), { recursive: true });
    await writeFile(join(directory, path), '');
  }
  return directory;
}

test('what has no source is removed from dist, and nothing else', async () => {
  const kept = ['.tsbuildinfo', 'src/main.js', 'src/main.js.map', 'src/main.d.ts', 'src/console/main.css'];
  const gone = ['src/gone.js', 'src/gone.js.map', 'src/gone.d.ts', 'src/old/gone.js'];
  const built = [...kept, ...gone].map((path) => `dist/${path}`);
  const directory = await projectWith('src/main.ts', 'src/console/main.tsx', ...built);
  await cleanDist(directory);
  const entries = await readdir(join(directory, 'dist'), { recursive: true, withFileTypes: true });
  expect(entries.filter((entry) => entry.isFile()).length).toBe(kept.length);
  for (const path of kept) expect(await readdir(join(directory, 'dist', path, '..'))).toContain(path.split('/').at(-1));
});

test('a package that cannot be built leaves dist as it was: a gateway may run from it', async () => {
  const directory = await projectWith('dist/src/main.js');
  await cp(join(projectDirectory, 'package.json'), join(directory, 'package.json'));
  await expect(promisify(execFile)('npm', ['run', 'prepack'], { cwd: directory })).rejects.toThrow();
  expect(await readdir(join(directory, 'dist/src'))).toEqual(['main.js']);
});

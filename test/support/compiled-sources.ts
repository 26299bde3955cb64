import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { build } from 'esbuild';
import { readSources } from '../architecture/sources.js';
import { projectDirectory } from './script.js';

/** Compiled by the test itself. */
const EXCLUDED = 'test/package/foreign/';

/**
 * Compiles the sources once for a run, below `node_modules`, where packages are found. A process that starts from them takes
 * a third of the CPU time of one that loads the sources with tsx.
 * @returns the directory, and its removal
 */
export async function compileSources(): Promise<{ directory: string; remove: () => Promise<void> }> {
  const cache = join(projectDirectory, 'node_modules/.cache');
  await mkdir(cache, { recursive: true });
  const directory = await mkdtemp(join(cache, 'compiled-for-tests-'));
  const sources = await readSources(['src', 'shared', 'scripts', 'test']);
  const paths = sources.map(({ path }) => path).filter((path) => !path.startsWith(EXCLUDED));
  await build({
    entryPoints: paths.map((path) => join(projectDirectory, path)),
    outdir: directory,
    outbase: projectDirectory,
    format: 'esm',
    platform: 'node',
    target: `node${process.versions.node}`,
    logLevel: 'warning',
  });
  const manifest = JSON.parse(await readFile(join(projectDirectory, 'package.json'), 'utf8')) as object;
  const imports = { '#package.json': './package.json', '#shared/*.js': './shared/*.js' };
  await writeFile(join(directory, 'package.json'), JSON.stringify({ ...manifest, imports }));
  // The built console, if there is one.
  await symlink(join(projectDirectory, 'dist'), join(directory, 'dist'));
  return { directory, remove: () => rm(directory, { recursive: true, force: true }) };
}

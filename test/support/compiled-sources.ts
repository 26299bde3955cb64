import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { pathToFileURL } from 'node:url';
import { type BuildOptions, build, type Plugin } from 'esbuild';
import { readSources } from '../architecture/sources.js';
import { projectDirectory } from './script.js';

/** Compiled by the test itself. */
const EXCLUDED = 'test/package/foreign/';

/** What tests start a hundred times: each becomes one file, because to find and read hundreds takes a fifth of the CPU time of a start. */
const PROGRAMS = ['src/run.ts', 'src/embedded/process/child.ts', 'src/workers/child.ts'];
/** Loads the first of them, which shares with it what it imports itself. */
const ENTRY = 'src/main.ts';

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
  const options = {
    outdir: directory,
    outbase: projectDirectory,
    format: 'esm',
    platform: 'node',
    target: `node${process.versions.node}`,
    logLevel: 'warning',
  } as const satisfies BuildOptions;
  const entry = sources.find(({ path }) => path === ENTRY);
  const shared = entry?.imports.map(({ target }) => target).filter((target) => !PROGRAMS.includes(target)) ?? [];
  const toEntries = (names: readonly string[]): string[] => names.map((path) => join(projectDirectory, path));
  await Promise.all([
    build({ ...options, entryPoints: toEntries(paths.filter((path) => !PROGRAMS.includes(path))) }),
    build({
      ...options,
      entryPoints: toEntries(PROGRAMS),
      bundle: true,
      packages: 'external',
      conditions: ['source'],
      plugins: [keepFiles(directory, shared)],
    }),
  ]);
  const manifest = JSON.parse(await readFile(join(projectDirectory, 'package.json'), 'utf8')) as object;
  const imports = { '#package.json': './package.json', '#shared/*.js': './shared/*.js' };
  await writeFile(join(directory, 'package.json'), JSON.stringify({ ...manifest, imports }));
  // The built console, if there is one.
  await symlink(join(projectDirectory, 'dist'), join(directory, 'dist'));
  return { directory, remove: () => rm(directory, { recursive: true, force: true }) };
}

/** In a bundle each module keeps the URL that its own file would have: the sources find other files from it. Shared files stay files. */
const keepFiles = (directory: string, shared: readonly string[]): Plugin => ({
  name: 'keep-files',
  setup({ onLoad, onResolve }) {
    const urlOf = (path: string): string => pathToFileURL(join(directory, path.replace(/\.ts$/, '.js'))).href;
    onResolve({ filter: /^\.{1,2}\// }, ({ resolveDir, path }) => {
      const source = relative(projectDirectory, join(resolveDir, path)).replace(/\.js$/, '.ts');
      return shared.includes(source) ? { path: urlOf(source), external: true } : undefined;
    });
    onLoad({ filter: /\.ts$/ }, async ({ path }) => {
      const url = urlOf(relative(projectDirectory, path));
      const text = await readFile(path, 'utf8');
      return { loader: 'ts', contents: text.replaceAll('import.meta.url', JSON.stringify(url)) };
    });
  },
});

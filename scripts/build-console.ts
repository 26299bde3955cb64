import { appendFile, copyFile, mkdir, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const root = fileURLToPath(new URL('../', import.meta.url));
const sources = join(root, 'src/console');

/**
 * Bundles the page of the console: `main.js`, `main.css` and `index.html`. Nothing else is loaded by the page.
 * @param outDirectory is created when it is missing
 */
export async function buildConsole(outDirectory: string): Promise<void> {
  await mkdir(outDirectory, { recursive: true });
  const { metafile } = await build({
    entryPoints: [
      { in: join(sources, 'main.tsx'), out: 'main' },
      { in: join(sources, 'style.css'), out: 'main' },
    ],
    outdir: outDirectory,
    absWorkingDir: root,
    bundle: true,
    minify: true,
    format: 'esm',
    target: 'es2022',
    // `#shared/*` resolves to the sources, as it does for the compiler.
    conditions: ['source'],
    define: { 'process.env.NODE_ENV': '"production"' },
    legalComments: 'none',
    logLevel: 'warning',
    metafile: true,
  });
  // Licences ask that their text comes with every copy.
  await appendFile(join(outDirectory, 'main.js'), `/*\n${await readLicences(Object.keys(metafile.inputs))}*/\n`);
  await copyFile(join(sources, 'index.html'), join(outDirectory, 'index.html'));
}

/** The licences of the packages that the files are of. */
async function readLicences(files: readonly string[]): Promise<string> {
  const packages = files.map((file) => /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(file)?.[0]);
  const directories = [...new Set(packages.filter((path) => path !== undefined))].sort();
  const texts = await Promise.all(
    directories.map(async (directory) => {
      const name = (await readdir(join(root, directory))).find((file) => /^licen[cs]e/i.test(file));
      const text = name === undefined ? '' : await readFile(join(root, directory, name), 'utf8');
      return `${directory.replace(/^.*node_modules\//, '')}\n\n${text.trim().replaceAll('*/', '')}\n\n`;
    }),
  );
  return texts.join('');
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await buildConsole(join(root, 'dist/src/console'));

import { copyFile, mkdir } from 'node:fs/promises';
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
  await build({
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
    legalComments: 'eof',
    logLevel: 'warning',
  });
  await copyFile(join(sources, 'index.html'), join(outDirectory, 'index.html'));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await buildConsole(join(root, 'dist/src/console'));

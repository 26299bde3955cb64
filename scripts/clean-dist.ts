import { readdir, rm } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

/**
 * Removes the files of `dist` whose sources are gone, so that they are not packed. The others stay: a gateway may run from
 * them.
 * @param directory the project
 */
export async function cleanDist(directory: string): Promise<void> {
  const sources = new Set<string>();
  for (const folder of ['src', 'shared', 'scripts', 'test']) {
    for (const path of await filesIn(join(directory, folder))) sources.add(withoutExtension(relative(directory, path)));
  }
  const dist = join(directory, 'dist');
  for (const path of await filesIn(dist)) {
    const built = relative(dist, path);
    // What the compiler keeps for itself.
    if (!built.startsWith('.') && !sources.has(withoutExtension(built))) await rm(path);
  }
}

async function filesIn(directory: string): Promise<string[]> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true }).catch(() => []);
  return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
}

/** `main.js`, `main.js.map` and `main.d.ts` come from `main.ts`; `main.css` of the console stands for `main.tsx`. */
const withoutExtension = (path: string): string => path.replace(/(?:\.d)?\.\w+(?:\.map)?$/, '');

if (process.argv[1] === fileURLToPath(import.meta.url)) await cleanDist(fileURLToPath(new URL('../', import.meta.url)));

import { readdir, readFile } from 'node:fs/promises';
import { posix, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';

/** A source file of the project. */
export interface Source {
  /** From the root of the project, with `/`. */
  readonly path: string;
  readonly text: string;
  /** The text without its comments: a rule is about what the code does, and comments may speak of what it must not do. */
  readonly code: string;
  readonly imports: readonly Import[];
}

/** One module that a file imports. */
interface Import {
  /** Path of a file of the project, or the name of a package. */
  readonly target: string;
  /** Gone after compilation. */
  readonly isTypeOnly: boolean;
}

const root = fileURLToPath(new URL('../../', import.meta.url));

/** Every TypeScript file below the folders, in the order of paths. */
export async function readSources(folders: readonly string[]): Promise<Source[]> {
  const paths = (await Promise.all(folders.map(filesBelow))).flat().sort();
  const sources = await Promise.all(paths.map(async (path) => toSource(path, await readFile(root + path, 'utf8'))));
  const known = new Set(paths);
  return sources.map((source) => ({ ...source, imports: source.imports.map((found) => toExisting(found, known)) }));
}

/** What is imported as `.js` may be a `.tsx` too. */
function toExisting(found: Import, known: ReadonlySet<string>): Import {
  const target = `${found.target}x`;
  return known.has(found.target) || !known.has(target) ? found : { ...found, target };
}

async function filesBelow(folder: string): Promise<string[]> {
  const entries = await readdir(root + folder, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile() && /\.tsx?$/.test(entry.name))
    .map((entry) => relative(root, `${entry.parentPath}/${entry.name}`).replaceAll(sep, '/'));
}

/** Reads what a rule looks at out of the text of a file. */
export function toSource(path: string, text: string): Source {
  const code = text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/(^|\s)\/\/.*$/gm, '$1');
  return { path, text, code, imports: [...importsOf(path, code)] };
}

const STATEMENT = /^(?:import|export)\s+(type\s)?(?:[^'";]*?\sfrom\s+)?['"]([^'"]+)['"]/gm;
const DYNAMIC = /\bimport\(\s*['"]([^'"]+)['"]/g;

function* importsOf(path: string, code: string): Generator<Import> {
  for (const [, type, specifier = ''] of code.matchAll(STATEMENT)) {
    yield { target: resolve(path, specifier), isTypeOnly: type !== undefined };
  }
  for (const [, specifier = ''] of code.matchAll(DYNAMIC)) {
    yield { target: resolve(path, specifier), isTypeOnly: false };
  }
}

function resolve(path: string, specifier: string): string {
  if (specifier.startsWith('#shared/')) return specifier.slice(1).replace(/\.js$/, '.ts');
  if (!specifier.startsWith('.')) return specifier;
  return posix.join(posix.dirname(path), specifier).replace(/\.js$/, '.ts');
}

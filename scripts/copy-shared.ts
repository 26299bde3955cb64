import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { readArguments, refuseArguments } from './arguments.js';

const USAGE = `Copies shared/ (contracts, clients, models, utilities) into another service, or checks the copies.

  npm run copySharedFiles <directory>              copies; what is no longer shared is removed there
  npm run copySharedFiles -- --check <directory>   changes nothing; exit code 1 names stale, missing and extra copies
`;

const SHARED = fileURLToPath(new URL('../shared/', import.meta.url));
/** Marker in the first line of a copy; other files belong to the service. */
const MARK = '// Do not edit: a copy of general-socket/shared/';

/** Path below `shared/`, equal to that below the other service's directory → text. */
type Files = ReadonlyMap<string, string>;

/** Differences between a directory's copies and `shared/`. */
interface Difference {
  missing: string[];
  stale: string[];
  /** Copies of files that are no longer shared. */
  extra: string[];
  /** The service's own files at the path of a copy. */
  inTheWay: string[];
}

const mark = (path: string): string => `${MARK}${path}; change it there and run npm run copySharedFiles.\n`;

/** All TypeScript files below a directory; none if it does not exist. */
async function readTypeScript(directory: string): Promise<Map<string, string>> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true }).catch(ifAbsent);
  const files = new Map<string, string>();
  for (const entry of entries) {
    if (!entry.isFile() || !entry.name.endsWith('.ts')) continue;
    const path = join(entry.parentPath, entry.name);
    files.set(relative(directory, path).replaceAll(sep, '/'), await readFile(path, 'utf8'));
  }
  return files;
}

function ifAbsent(error: NodeJS.ErrnoException): [] {
  if (error.code === 'ENOENT') return [];
  throw error;
}

/** The files of a service in folders that also exist in `shared/`. */
async function readCopies(directory: string, folders: ReadonlySet<string>): Promise<Map<string, string>> {
  const copies = new Map<string, string>();
  for (const folder of folders) {
    for (const [path, text] of await readTypeScript(join(directory, folder))) copies.set(`${folder}/${path}`, text);
  }
  return copies;
}

function compare(wanted: Files, found: Files): Difference {
  const isOwn = (path: string): boolean => found.get(path)?.startsWith(MARK) === false;
  const paths = [...wanted.keys()].filter((path) => found.get(path) !== wanted.get(path));
  return {
    missing: paths.filter((path) => !found.has(path)),
    stale: paths.filter((path) => found.has(path) && !isOwn(path)),
    extra: [...found.keys()].filter((path) => !wanted.has(path) && !isOwn(path)),
    inTheWay: paths.filter(isOwn),
  };
}

async function apply(directory: string, wanted: Files, { missing, stale, extra }: Difference): Promise<void> {
  for (const path of [...missing, ...stale]) {
    const target = join(directory, path);
    await mkdir(dirname(target), { recursive: true });
    await writeFile(target, wanted.get(path) ?? '');
  }
  for (const path of extra) await rm(join(directory, path));
}

const report = ({ missing, stale, extra, inTheWay }: Difference): string[] => [
  ...missing.map((path) => `missing: ${path}`),
  ...stale.map((path) => `stale: ${path}`),
  ...extra.map((path) => `extra: ${path}`),
  ...inTheWay.map((path) => `not a copy: ${path}`),
];

const { values, positionals } = readArguments(USAGE, {
  options: { check: { type: 'boolean', default: false } },
  allowPositionals: true,
});
const [directory] = positionals;
if (directory === undefined || positionals.length > 1) refuseArguments(USAGE, 'Name one directory');

const shared = await readTypeScript(SHARED);
const wanted = new Map([...shared].map(([path, text]) => [path, mark(path) + text]));
const folders = new Set([...wanted.keys()].map((path) => path.slice(0, path.indexOf('/'))));
const difference = compare(wanted, await readCopies(directory, folders));
const lines = report(difference);

if (values.check) {
  for (const line of lines) process.stdout.write(`${line}\n`);
  process.exitCode = lines.length === 0 ? 0 : 1;
} else if (difference.inTheWay.length > 0) {
  process.stderr.write(
    `Nothing was copied: these files belong to the service.\n  ${difference.inTheWay.join('\n  ')}\n`,
  );
  process.exitCode = 1;
} else {
  await apply(directory, wanted, difference);
  process.stdout.write(`${wanted.size} files are up to date, ${lines.length} of them changed or removed.\n`);
}

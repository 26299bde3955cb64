import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { projectDirectory } from '../support/script.js';

/** An entry of the lock file. */
interface Entry {
  readonly version?: string;
  readonly peerDependencies?: Readonly<Record<string, string>>;
  readonly peerDependenciesMeta?: Readonly<Record<string, { readonly optional?: boolean }>>;
}

/** What a package at `path` gets when it imports `name`. */
function resolve(packages: Readonly<Record<string, Entry>>, path: string, name: string): Entry | undefined {
  for (let at = path; ; at = dirname(at)) {
    const found = packages[join(at, 'node_modules', name)];
    if (found !== undefined || at === '.' || at === '') return found;
  }
}

/** Whether a version is of a major that a range of carets names; other ranges are taken as met. */
const isMet = (range: string, version = ''): boolean => {
  const majors = range.split('||').map((part) => /^\^(\d+)/.exec(part.trim())?.[1]);
  return majors.includes(undefined) || majors.includes(version.split('.')[0]);
};

// `npm install` of npm 11 leaves such packages out; then `npm ci` of npm 9 and 10, which come with Node.js 20 and 22, fails.
test('an optional peer is never found in a version that its package does not accept', async () => {
  const { packages } = JSON.parse(await readFile(join(projectDirectory, 'package-lock.json'), 'utf8')) as {
    packages: Record<string, Entry>;
  };
  const wrong = Object.entries(packages).flatMap(([path, { peerDependencies = {}, peerDependenciesMeta = {} }]) =>
    Object.entries(peerDependencies).flatMap(([name, range]) => {
      const found = peerDependenciesMeta[name]?.optional === true ? resolve(packages, path, name) : undefined;
      return found === undefined || isMet(range, found.version)
        ? []
        : [`${path}: ${name} ${range}, not ${found.version}`];
    }),
  );
  expect(wrong).toEqual([]);
});

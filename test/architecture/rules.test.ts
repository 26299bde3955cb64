import { readdir } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { rules } from './rules.js';
import { readSources, type Source, toSource } from './sources.js';

const sources = await readSources(['src', 'shared', 'scripts', 'test']);
const read = sources.filter(({ path }) => path !== 'test/architecture/rules.ts');

for (const { name, findIn, violation } of rules) {
  test(name, () => {
    const broken = read.flatMap((source) => findIn(source).map((found) => `${source.path}: ${found}`));
    expect(broken).toEqual([]);
    expect(findIn(toSource(violation.path, violation.text)), 'the rule does not see its own violation').not.toEqual([]);
  });
}

test('every integration is in the list', async () => {
  const entries = await readdir(new URL('../../src/integrations/', import.meta.url), { withFileTypes: true });
  const folders = entries.filter((entry) => entry.isDirectory()).map(({ name }) => name);
  const list = sources.find(({ path }) => path === 'src/integrations/index.ts');
  const listed = list?.imports.map(({ target }) => target) ?? [];
  expect(folders.filter((name) => !listed.includes(`src/integrations/${name}/index.ts`))).toEqual([]);
});

test('no file imports itself through others, types included', () => {
  expect(findCycle(sources)).toEqual([]);
  const planted = [
    toSource('src/a.ts', "import { b } from './b.js';"),
    toSource('src/b.ts', "import type { A } from './a.js';"),
  ];
  expect(findCycle(planted)).toEqual(['src/a.ts', 'src/b.ts', 'src/a.ts']);
});

test('no two names in a folder of the embedded database differ by their ending alone', () => {
  expect(findLookalikes(sources.map(({ path }) => path))).toEqual([]);
  const planted = [
    'x/index.ts',
    'x/indexes/a.ts',
    'x/serve.ts',
    'x/server.ts',
    'x/query.ts',
    'x/queries.ts',
    'x/end.ts',
  ];
  expect(findLookalikes(planted.map((path) => `src/embedded/${path}`))).toEqual([
    'src/embedded/x: index, indexes',
    'src/embedded/x: queries, query',
    'src/embedded/x: serve, server',
  ]);
});

/** Files and folders of the embedded database whose names a reader confuses. */
function findLookalikes(paths: readonly string[]): string[] {
  const namesByFolder = new Map<string, Set<string>>();
  for (const path of paths.filter((one) => one.startsWith('src/embedded/'))) {
    const parts = path.replace(/\.ts$/, '').split('/');
    for (const [depth, name] of parts.entries()) {
      const folder = parts.slice(0, depth).join('/');
      namesByFolder.set(folder, (namesByFolder.get(folder) ?? new Set()).add(name));
    }
  }
  const stemOf = (name: string): string => name.replace(/(?:ies|y)$/, 'i').replace(/(?:es|e|er|ers|s)$/, '');
  const found = [...namesByFolder].flatMap(([folder, names]) => {
    const sorted = [...names].sort();
    const stems = new Set(sorted.map(stemOf));
    return [...stems]
      .map((stem) => sorted.filter((name) => stemOf(name) === stem))
      .filter((same) => same.length > 1)
      .map((same) => `${folder}: ${same.join(', ')}`);
  });
  return found.sort();
}

/** The files of the first circle of imports; empty when there is none. */
function findCycle(files: readonly Source[]): string[] {
  const byPath = new Map(files.map((source) => [source.path, source]));
  const finished = new Set<string>();
  const visit = (path: string, trail: readonly string[]): string[] => {
    if (trail.includes(path)) return [...trail.slice(trail.indexOf(path)), path];
    if (finished.has(path)) return [];
    for (const { target } of byPath.get(path)?.imports ?? []) {
      const cycle = visit(target, [...trail, path]);
      if (cycle.length > 0) return cycle;
    }
    finished.add(path);
    return [];
  };
  return files.map(({ path }) => visit(path, [])).find((cycle) => cycle.length > 0) ?? [];
}

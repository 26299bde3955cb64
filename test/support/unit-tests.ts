import { readSources, type Source } from '../architecture/sources.js';

/** Modules that start processes. */
const STARTERS = ['node:child_process', 'node:cluster'];

/**
 * Finds the unit tests: the test files whose imports, followed through the sources, never reach {@link STARTERS}. So they start no
 * gateway with a database, no Redis and no other process.
 * @returns paths from the root of the project
 */
export async function findUnitTests(): Promise<string[]> {
  const sources = await readSources(['test', 'src', 'shared', 'scripts']);
  const byPath = new Map(sources.map((source) => [source.path, source]));
  return sources
    .filter(({ path }) => path.endsWith('.test.ts'))
    .filter((source) => !startsProcesses(source, byPath))
    .map(({ path }) => path);
}

function startsProcesses(test: Source, sources: ReadonlyMap<string, Source>): boolean {
  const reached = new Set<string>([test.path]);
  for (const path of reached) {
    for (const { target, isTypeOnly } of sources.get(path)?.imports ?? []) if (!isTypeOnly) reached.add(target);
  }
  return STARTERS.some((module) => reached.has(module));
}

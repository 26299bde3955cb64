import { readSources, type Source } from '../architecture/sources.js';

const START = 'startEmbeddedDatabase(';
/** Where that function is: who imports this file need not call it. */
const DEFINITION = 'test/support/database.ts';

/**
 * Finds the test files that `TEST_MONGODB_URL` does not change, or not as a whole: those about the embedded database, and
 * those that start one, be it by a file that they import.
 * @returns paths from the root of the project
 */
export async function findEmbeddedTests(): Promise<string[]> {
  const sources = await readSources(['test']);
  const byPath = new Map(sources.map((source) => [source.path, source]));
  const isTest = ({ path }: Source): boolean => path.endsWith('.test.ts');
  const isMeant = (test: Source): boolean => test.path.startsWith('test/embedded/') || starts(test, byPath);
  return sources.filter((source) => isTest(source) && isMeant(source)).map(({ path }) => path);
}

function starts(test: Source, sources: ReadonlyMap<string, Source>): boolean {
  const reached = new Set<string>([test.path]);
  for (const path of reached) {
    const source = sources.get(path);
    if (source === undefined || path === DEFINITION) continue;
    if (source.code.includes(START)) return true;
    for (const { target, isTypeOnly } of source.imports) if (!isTypeOnly) reached.add(target);
  }
  return false;
}

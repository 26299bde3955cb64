import { expect, test } from 'vitest';
import { environment } from '../../src/config.js';
import { readPages } from './pages.js';

const pages = await readPages();

test('every setting is in exactly one table, with its default', () => {
  const defaults: Record<string, unknown> = environment.parse({});
  const declared = Object.keys(environment.shape).map((name) => [name, String(defaults[name] ?? '')]);
  const documented = pages.flatMap((page) => page.rows('variable')).map(([name, byDefault]) => [name, byDefault]);
  expect(documented.sort()).toEqual(declared.sort());
});

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { environment } from '../../src/config.js';
import { catalogue } from '../../src/errors.js';
import { projectDirectory } from '../support/script.js';

const read = (path: string): Promise<string> => readFile(join(projectDirectory, path), 'utf8');

/** The rows of the table of what is bounded, as they are written. */
async function boundedRows(): Promise<string[][]> {
  const text = await read('.github/SECURITY.md');
  const [, body = ''] = /^\| resource \|.*\n\|[-| ]+\|\n((?:\|.*\|\n)+)/m.exec(text) ?? [];
  return body
    .trimEnd()
    .split('\n')
    .map((row) => row.slice(1, -1).split('|'));
}

const namesIn = (cell = ''): string[] => [...cell.matchAll(/`([A-Z_]+)`/g)].map(([, name = '']) => name);

test('the security page bounds each resource by settings that exist, and says what happens beyond', async () => {
  const rows = await boundedRows();
  expect(rows.length).toBeGreaterThan(10);
  for (const [resource = '', settings, effect = ''] of rows) {
    expect(namesIn(settings), resource).not.toEqual([]);
    for (const name of namesIn(settings)) expect(environment.shape, resource).toHaveProperty(name);
    for (const code of namesIn(effect)) expect(catalogue, resource).toHaveProperty(code);
    expect(effect.trim(), resource).not.toBe('');
  }
});

test('the security page names every setting of the section on limits', async () => {
  const settings = await read('src/config/README.md');
  const [, section = ''] = /^## Limits\n([\s\S]*?)^## /m.exec(settings) ?? [];
  const limits = [...section.matchAll(/^\| `([A-Z_]+)`/gm)].map(([, name = '']) => name);
  expect(limits).toContain('EVENT_LIMIT');
  const named = (await boundedRows()).flatMap(([, cell]) => namesIn(cell));
  expect(limits.filter((name) => !named.includes(name))).toEqual([]);
});

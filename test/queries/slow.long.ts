import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { createRandom } from '../support/random.js';
import { toTable } from './table.js';
import { walkThrough } from './walk/index.js';

/** The longest time that a command waits. */
const DELAY_MAX_MS = 100;

const first = Number(process.env['WALK_SEED'] ?? 1);

test.each([first, first + 1, first + 2])(
  'the table of queries does not depend on the time that the database takes (WALK_SEED=%i)',
  async (seed) => {
    const { next: random } = createRandom(seed);
    const { rows } = await walkThrough(() => random() * DELAY_MAX_MS);
    expect(toTable(rows)).toBe(await readFile(new URL('queries.md', import.meta.url), 'utf8'));
  },
);

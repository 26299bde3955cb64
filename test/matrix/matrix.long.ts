import { afterAll, beforeAll, expect, test } from 'vitest';
import { kinds } from './kinds.js';
import { operations } from './operations.js';
import { type Matrix, openMatrix } from './run.js';

let matrix: Matrix;

beforeAll(async () => {
  matrix = await openMatrix(kinds);
});

afterAll(() => matrix?.close());

test.each(operations.map((operation) => [operation.key, operation] as const))(
  'serves only callers who are allowed: %s',
  { timeout: 120_000 },
  async (_key, operation) => {
    const faults = await matrix.run(operation);
    expect(faults, faults.join('\n')).toEqual([]);
  },
);

import { describe, expect, test } from 'vitest';
import { DatabaseError } from '../../../../src/embedded/errors.js';
import { compileFilter } from '../../../../src/embedded/query/filters/filter.js';
import { compileUpdate } from '../../../../src/embedded/query/updates/compile-update.js';
import { fails } from '../expressions/rows/row.js';
import { arithmeticRows, arrayRows, fieldRows, pipelineRows, positionRows, type UpdateRow } from './update-rows.js';

/* The documents and error codes of MongoDB's documentation and of its server's behaviour, for each operator. */

const GROUPS = Object.entries({
  'with numbers': arithmeticRows,
  'of fields': fieldRows,
  'of arrays': arrayRows,
  'at positions': positionRows,
  'by a pipeline': pipelineRows,
});

function resultOf([before, update, , { filter = {}, arrayFilters } = {}]: UpdateRow): unknown {
  try {
    const after = compileUpdate(update, { arrayFilters, matcher: compileFilter(filter) }).apply(before);
    return after === before ? 'same' : after;
  } catch (error) {
    if (error instanceof DatabaseError) return fails(error.code);
    throw error;
  }
}

describe.each(GROUPS)('updates %s', (_name, rows) => {
  test.each(rows.map((row) => ({ row, before: row[0], update: row[1], expected: row[2] })))(
    '$update of $before',
    ({ row, expected }) => {
      expect(resultOf(row)).toEqual(expected);
    },
  );
});

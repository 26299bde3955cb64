import { describe, expect, test } from 'vitest';
import { DatabaseError } from '../../../../src/embedded/errors.js';
import { compileExpression, createExpressionContext } from '../../../../src/embedded/query/expressions/expression.js';
import { arrayRows } from './rows/arrays.js';
import { dateRows } from './rows/dates.js';
import { numberRows } from './rows/numbers.js';
import { Failure, fails, MISSING } from './rows/row.js';
import { textRows } from './rows/texts.js';
import { valueRows } from './rows/values.js';

/* The values and error codes of MongoDB's documentation and of its server's behaviour, for each operator. */

const DOCUMENT = { one: 1, numbers: [1, 2, 3], list: [{ x: 1 }, {}], inner: { one: 11 } };

const GROUPS = Object.entries({
  numbers: numberRows,
  dates: dateRows,
  texts: textRows,
  arrays: arrayRows,
  values: valueRows,
});

function resultOf(expression: unknown): unknown {
  try {
    const result = compileExpression(expression)(DOCUMENT);
    return result === undefined ? MISSING : result;
  } catch (error) {
    if (error instanceof DatabaseError) return fails(error.code);
    throw error;
  }
}

describe.each(GROUPS)('expressions with %s', (_name, rows) => {
  test.each(rows.map(([expression, expected]) => ({ expression, expected })))(
    '$expression',
    ({ expression, expected }) => {
      expect(resultOf(expression)).toEqual(expected);
    },
  );
});

test('has rows for each operator', () => {
  const covered = new Set(
    GROUPS.flatMap(([, rows]) => rows)
      .filter(([, expected]) => !(expected instanceof Failure))
      .map(([expression]) => Object.keys(expression as object)[0]),
  );
  expect([...createExpressionContext().operators.keys()].filter((name) => !covered.has(name))).toEqual(['$rand']);
});

test('leaves out what is in arrays of arrays', () => {
  expect(compileExpression('$a.b')({ a: [{ b: 1 }, [{ b: 2 }], 3] })).toEqual([1]);
});

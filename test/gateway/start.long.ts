import { expect, test } from 'vitest';
import { failures, runFailure } from './start-failures.js';

test.each(failures)('a start fails with $code and one sentence: $name', async (failure) => {
  const { code, stderr, stdout } = await runFailure(failure);
  expect(stderr.trimEnd()).toMatch(failure.sentence);
  expect([code, stdout]).toEqual([failure.code, '']);
  expect(stderr).not.toMatch(/hunter2|\n {4}at /);
});

import { expect, test } from 'vitest';
import { shareAnswers } from '../../../src/platform/concurrency/shared-answers.js';
import { createTestClock } from '../../support/clock.js';

/** Asks that are answered by the test. */
function createAsked(max = 2) {
  const clock = createTestClock();
  const asked: { question: string; answer(value: number): void; fail(error: Error): void }[] = [];
  const ask = (question: string) =>
    new Promise<number>((answer, fail) => {
      asked.push({ question, answer, fail });
    });
  return { clock, asked, share: shareAnswers(ask, { clock, ttlMs: 1000, max }) };
}

test('callers share a question while it is asked, and its answer for a second after that', async () => {
  const { clock, asked, share } = createAsked();
  const early = [share('a'), share('a')];
  clock.advance(5000);
  early.push(share('a'));
  asked[0]?.answer(1);
  expect(await Promise.all(early)).toEqual([1, 1, 1]);
  clock.advance(999);
  expect(await share('a')).toBe(1);
  clock.advance(1);
  const late = share('a');
  asked[1]?.answer(2);
  expect(await late).toBe(2);
  expect(asked).toHaveLength(2);
});

test('a failure is for those who wait for it', async () => {
  const { asked, share } = createAsked();
  const failed = [share('a'), share('a')];
  asked[0]?.fail(new Error('no'));
  expect((await Promise.allSettled(failed)).map(({ status }) => status)).toEqual(['rejected', 'rejected']);
  const next = share('a');
  asked[1]?.answer(2);
  expect(await next).toBe(2);
});

test('questions beyond the bound are asked each time', () => {
  const { asked, share } = createAsked();
  for (const question of ['a', 'b', 'c', 'a', 'c']) void share(question);
  expect(asked.map(({ question }) => question)).toEqual(['a', 'b', 'c', 'c']);
});

import { setImmediate } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { createConcurrencyLimiter } from '../../../src/platform/concurrency/concurrency-limiter.js';
import { createTestClock } from '../../support/clock.js';

const WAIT_MS = 5000;

/** A limiter with two slots and ten places, and the calls that run in it, which end when the test says so. */
function start() {
  const clock = createTestClock();
  const refusal = () => new Error('full');
  const limiter = createConcurrencyLimiter({ clock, width: 2, waitingMax: 10, waitMs: WAIT_MS, refusal });
  const begun: string[] = [];
  const ends: (() => void)[] = [];
  const refused: string[] = [];
  return {
    clock,
    begun,
    refused,
    call(caller: string) {
      const work = () =>
        new Promise<void>((resolve) => {
          begun.push(caller);
          ends.push(resolve);
        });
      limiter.run(work, caller).catch(() => refused.push(caller));
    },
    /** Ends the running calls one after the other, until none is left. */
    async drain() {
      await setImmediate();
      for (let end = ends.shift(); end !== undefined; end = ends.shift()) {
        end();
        await setImmediate();
      }
    },
  };
}

test('callers take turns, however many calls each has', async () => {
  const { call, begun, drain } = start();
  for (let count = 0; count < 8; count += 1) call('many');
  for (const caller of ['one', 'two', 'one']) call(caller);
  await drain();
  expect(begun).toEqual(['many', 'many', 'many', 'one', 'two', 'many', 'one', 'many', 'many', 'many', 'many']);
});

test('a caller who fills the queue takes no place of others', async () => {
  const { call, begun, refused, drain } = start();
  for (let count = 0; count < 50; count += 1) call('many');
  call('one');
  call('one');
  await setImmediate();
  expect(refused).toEqual([...Array<string>(38).fill('many'), 'one']);
  await drain();
  expect(begun.indexOf('one')).toBe(3);
});

test('the places are bounded, also for callers with a single call', async () => {
  const { call, begun, refused, drain } = start();
  for (let caller = 0; caller < 100; caller += 1) call(String(caller));
  await setImmediate();
  expect(refused).toHaveLength(100 - 2 - 20);
  await drain();
  expect(begun).toHaveLength(22);
});

test('who has waited too long is refused and leaves its place', async () => {
  const { call, begun, refused, clock, drain } = start();
  for (let count = 0; count < 12; count += 1) call('many');
  await setImmediate();
  clock.advance(WAIT_MS);
  await setImmediate();
  expect(refused).toHaveLength(10);
  for (let count = 0; count < 10; count += 1) call('other');
  await drain();
  expect(begun).toHaveLength(12);
});

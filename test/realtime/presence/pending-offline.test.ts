import { expect, test } from 'vitest';
import { PendingOffline } from '../../../src/realtime/presence/pending-offline.js';
import { createTestClock } from '../../support/clock.js';

const KEEP_MS = 1000;

function create() {
  const clock = createTestClock();
  const pending = new PendingOffline(clock);
  return {
    clock,
    pending,
    leave: (userId: string, { wasReported = true, isKnown = true } = {}) =>
      pending.add(
        { userId, accountId: `of ${userId}` },
        { until: isKnown ? clock.now() + KEEP_MS : Number.POSITIVE_INFINITY, wasReported },
      ),
    users: () => pending.list().map(({ userId }) => userId),
  };
}

test('a user who left is kept for a time, and with the account', () => {
  const { clock, pending, leave } = create();
  leave('ann');
  clock.advance(KEEP_MS - 1);
  pending.settle(KEEP_MS, false);
  expect(pending.list()).toEqual([{ userId: 'ann', accountId: 'of ann' }]);
  clock.advance(1);
  pending.settle(KEEP_MS, false);
  expect(pending.list()).toEqual([]);
});

test('after each loss of the data of Redis all users are kept as long as after they left', () => {
  const { clock, pending, leave, users } = create();
  leave('ann');
  for (let loss = 0; loss < 3; loss += 1) {
    clock.advance(KEEP_MS - 1);
    pending.settle(KEEP_MS, true);
  }
  clock.advance(KEEP_MS - 1);
  pending.settle(KEEP_MS, false);
  expect(users()).toEqual(['ann']);
  clock.advance(1);
  pending.settle(KEEP_MS, false);
  expect(users()).toEqual([]);
});

test('a user who left while Redis was away is kept until Redis knows, and for the time after that', () => {
  const { clock, pending, leave, users } = create();
  leave('ann', { isKnown: false });
  clock.advance(100 * KEEP_MS);
  pending.settle(KEEP_MS, false);
  clock.advance(KEEP_MS - 1);
  pending.settle(KEEP_MS, false);
  expect(users()).toEqual(['ann']);
});

test('a user who was never reported online is not listed, unless an earlier socket was reported', () => {
  const { leave, users } = create();
  leave('ann', { wasReported: false });
  leave('bob');
  leave('bob', { wasReported: false });
  expect(users()).toEqual(['bob']);
});

test('keeps the 50,000 users who left last', () => {
  const { leave, users } = create();
  for (let n = 0; n < 50_000; n += 1) leave(`user-${n}`);
  leave('user-0');
  leave('last');
  expect(users().length).toBe(50_000);
  expect([users().at(0), users().at(-2), users().at(-1)]).toEqual(['user-2', 'user-0', 'last']);
});

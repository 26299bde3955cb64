import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { Positions } from '../../../../src/realtime/delivery/storage/positions.js';
import { createTestClock } from '../../../support/clock.js';

beforeEach(() => void vi.useFakeTimers({ toFake: ['performance'] }));
afterEach(() => void vi.useRealTimers());

test('a response counts as received a while after it was written', () => {
  const positions = new Positions(createTestClock());
  expect(positions.answered('ann')).toBeUndefined();
  positions.markAnswered('ann', 7);
  expect(positions.answered('ann')).toBeUndefined();
  vi.advanceTimersByTime(1000);
  expect(positions.answered('ann')).toEqual({ from: 7, to: 7 });
  expect(positions.answered('bob')).toBeUndefined();
});

test('a position that was proved at a time in the future, as after the date was set back, is read again', () => {
  const clock = createTestClock();
  const positions = new Positions(clock);
  positions.learn('ann', 7, clock.now());
  expect(positions.trusted('ann')).toBe(7);
  clock.advance(-60_000);
  expect(positions.trusted('ann')).toBeUndefined();
  positions.forget('ann');
  expect(positions.trusted('bob')).toBeUndefined();
});

test('positions that adjoin are one range, whatever their order, and of two ranges the higher one counts', () => {
  const positions = new Positions(createTestClock());
  const mark = (...answered: number[]) => {
    for (const position of answered) positions.markAnswered('ann', position);
    vi.advanceTimersByTime(1000);
    return positions.answered('ann');
  };
  expect(mark(4, 3, 5)).toEqual({ from: 3, to: 5 });
  expect(mark(9)).toEqual({ from: 9, to: 9 });
  expect(mark(2, 6)).toEqual({ from: 9, to: 9 });
  expect(mark(8)).toEqual({ from: 8, to: 9 });
});

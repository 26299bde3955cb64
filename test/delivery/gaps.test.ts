import { describe, expect, it } from 'vitest';
import { Gaps } from '../../src/realtime/delivery/gaps.js';

const TTL_MS = 15_000;

describe('gaps', () => {
  it('hold the numbers that were passed over, each until it turns up', () => {
    const gaps = new Gaps();
    gaps.add({ after: 10, upTo: 13 }, 0);
    expect([10, 11, 13, 14].map((number) => gaps.take(number))).toEqual([false, true, true, false]);
    expect(gaps.take(11)).toBe(false);
    expect(gaps.covers(11)).toBe(true);
    expect(gaps.isEmpty).toBe(false);
    expect(gaps.take(12)).toBe(true);
    expect(gaps.isEmpty).toBe(true);
  });

  it('of neighbouring numbers are one, however many there are', () => {
    const gaps = new Gaps();
    gaps.add({ after: 0, upTo: 1_000_000 }, 0);
    for (let number = 1_000_000; number < 1_001_000; number += 1) gaps.add({ after: number, upTo: number + 1 }, 0);
    expect([gaps.after, gaps.upTo]).toEqual([0, 1_001_000]);
    expect(gaps.take(3)).toBe(true);
  });

  it('are given up when their time is over', () => {
    const gaps = new Gaps();
    gaps.add({ after: 0, upTo: 5 }, 0);
    gaps.add({ after: 7, upTo: 9 }, 1000);
    gaps.expire(TTL_MS);
    expect([gaps.take(5), gaps.take(8)]).toEqual([false, true]);
    gaps.expire(TTL_MS + 1000);
    expect(gaps.isEmpty).toBe(true);
  });

  it('are bounded: the oldest are given up', () => {
    const gaps = new Gaps();
    for (let number = 0; number < 2000; number += 2) gaps.add({ after: number, upTo: number + 1 }, 0);
    expect([gaps.take(1), gaps.take(1999)]).toEqual([false, true]);
    expect(gaps.after).toBe(2000 - 2 * 256);
  });

  it('know nothing of no numbers', () => {
    const gaps = new Gaps();
    gaps.add({ after: 5, upTo: 5 }, 0);
    expect(gaps.isEmpty).toBe(true);
  });
});

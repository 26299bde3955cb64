import { describe, expect, test } from 'vitest';
import { createMetrics } from '../../../src/platform/metrics.js';
import { createAdmission, type Decision, TICK_MS } from '../../../src/transport/connections/admission.js';
import { createRateByLag } from '../../../src/transport/connections/admission-rate.js';
import { createTestClock } from '../../support/clock.js';

function open(perSecond: number | undefined, random = () => 0.5) {
  const clock = createTestClock();
  const metrics = createMetrics();
  let isDraining = false;
  const admission = createAdmission({ perSecond, clock, random, isDraining: () => isDraining, metrics });
  const admitted: number[] = [];
  return {
    admission,
    clock,
    admitted,
    drain: () => {
      isDraining = true;
    },
    /** Handshakes that come at once. @returns the decisions */
    come(count: number, canExplain = false): Decision[] {
      return Array.from({ length: count }, (_, n) => {
        const decision = admission.decide(canExplain);
        if (decision.kind === 'waits') admission.wait(() => admitted.push(n));
        return decision;
      });
    },
  };
}

const countOf = (decisions: readonly Decision[], kind: Decision['kind']): number =>
  decisions.filter((decision) => decision.kind === kind).length;
const timesOf = (decisions: readonly Decision[]): number[] =>
  decisions.flatMap((decision) => (decision.kind === 'refused' && decision.isExplained ? decision.retryAfterMs : []));

describe('the admission', () => {
  test('admits a tenth of a second at once, makes those of ten seconds wait, and refuses the rest', () => {
    const decisions = open(100).come(1100);
    expect(countOf(decisions, 'admitted')).toBe(10);
    expect(countOf(decisions, 'waits')).toBe(1000);
    expect(decisions.slice(1010).every(({ kind }) => kind === 'refused')).toBe(true);
  });

  test('admits those that wait in their order, as many as the rate allows', () => {
    const { clock, admitted, come } = open(100);
    come(110);
    clock.advance(500);
    expect(admitted).toEqual(Array.from({ length: 50 }, (_, n) => 10 + n));
    clock.advance(500);
    expect(admitted).toHaveLength(100);
  });

  test('lets a newcomer overtake none that waits', () => {
    const { clock, admission, come } = open(100);
    come(200);
    clock.advance(TICK_MS * 2 - 1);
    expect(admission.decide(false).kind).toBe('waits');
  });

  test('gives the place of a client that leaves to the next one', () => {
    const { clock, admission, come, admitted } = open(100);
    come(10);
    const order: string[] = [];
    const leave = admission.wait(() => order.push('first'));
    admission.wait(() => order.push('second'));
    leave();
    clock.advance(TICK_MS);
    expect(order).toEqual(['second']);
    expect(admitted).toEqual([]);
  });

  test('admits less than one each second', () => {
    const { clock, admitted, come } = open(1);
    expect(come(12).map(({ kind }) => kind)).toEqual([
      'admitted',
      ...Array.from({ length: 10 }, () => 'waits'),
      'refused',
    ]);
    clock.advance(10_000);
    expect(admitted).toHaveLength(10);
  });

  test('spreads the clients that it refuses behind those that wait, at the rate', () => {
    const { come, clock } = open(100);
    come(1010);
    const times: number[] = [];
    for (let batch = 0; batch < 10; batch += 1) {
      times.push(...timesOf(come(10, true)).map((ms) => ms + batch * 100));
      clock.advance(100);
      // Others take the places that are free now.
      come(10);
    }
    expect(times).toHaveLength(100);
    // With the mean of the jitter each has a place of its own, a hundredth of a second after the one before.
    for (const [n, ms] of times.entries()) expect(ms).toBeCloseTo(10_000 + (n + 1) * 10, -2);
  });

  test('adds jitter that grows with the queue', () => {
    const spreadOf = (waiting: number): number => {
      const values = [0, 0.999].map((value) => {
        const { come, admission } = open(100, () => value);
        come(1010);
        const cancels = Array.from({ length: waiting }, () => admission.wait(() => undefined));
        expect(cancels).toHaveLength(waiting);
        return timesOf(come(1, true))[0] ?? Number.NaN;
      });
      return (values[1] ?? 0) - (values[0] ?? 0);
    };
    expect(spreadOf(0)).toBeGreaterThan(9000);
    expect(spreadOf(1000)).toBeGreaterThan(1.9 * spreadOf(0));
  });

  test('tells no time above 45 s, however many are refused', () => {
    const { come, clock } = open(1, () => 0.999);
    come(11);
    const times: number[] = [];
    for (let n = 0; n < 60; n += 1) {
      times.push(...timesOf(come(10, true)));
      clock.advance(1);
    }
    expect(Math.max(...times)).toBeLessThanOrEqual(45_000);
    expect(times.length).toBeGreaterThan(5);
  });

  test('explains as many refusals as it admits clients; the others are refused without a connection', () => {
    const { come, clock } = open(100);
    come(1010);
    expect(timesOf(come(50, true))).toHaveLength(10);
    clock.advance(1);
    expect(timesOf(come(50, true))).toHaveLength(0);
    clock.advance(99);
    expect(timesOf(come(50, true))).toHaveLength(10);
  });

  test('lets all go on when the node drains, to be refused for that reason', () => {
    const { come, clock, drain, admitted } = open(100);
    come(1010);
    drain();
    clock.advance(TICK_MS);
    expect(admitted).toHaveLength(1000);
  });

  test('without a limit admits all at once', () => {
    expect(countOf(open(0).come(20_000), 'admitted')).toBe(20_000);
  });

  test('holds at most 10,000, at any rate', () => {
    expect(countOf(open(1_000_000).come(120_000), 'waits')).toBe(10_000);
  });
});

describe('the rate by the lag of the event loop', () => {
  const observe = (rate: ReturnType<typeof createRateByLag>, lagMs: number, windows: number, isLimiting = true) => {
    for (let tick = 0; tick < windows * 4; tick += 1) rate.observe(lagMs, isLimiting);
    return rate.perSecond;
  };

  test('rises while clients wait and the lag is low, up to a bound', () => {
    const rate = createRateByLag();
    const first = rate.perSecond;
    expect(observe(rate, 0, 5)).toBeGreaterThan(1.9 * first);
    expect(observe(rate, 0, 100)).toBe(10_000);
  });

  test('lets a thousand clients in within two seconds, and rises by less than half in the second after', () => {
    const rate = createRateByLag();
    let admitted = 0;
    for (let tick = 0; tick < 2000 / TICK_MS; tick += 1) {
      admitted += (rate.perSecond * TICK_MS) / 1000;
      rate.observe(0, true);
    }
    expect(admitted).toBeGreaterThan(1000);
    const before = rate.perSecond;
    for (let tick = 0; tick < 1000 / TICK_MS; tick += 1) rate.observe(0, true);
    expect(rate.perSecond / before).toBeLessThan(1.5);
  });

  test('does not rise without clients that wait, and returns to where it began', () => {
    const rate = createRateByLag();
    const first = rate.perSecond;
    expect(observe(rate, 0, 10, false)).toBe(first);
    observe(rate, 0, 10);
    expect(observe(rate, 0, 1, false)).toBe(first);
  });

  test('falls with the lag, faster with a high one, and lets some in at any lag', () => {
    const first = createRateByLag().perSecond;
    expect(observe(createRateByLag(), 15, 1)).toBe(first);
    const somewhat = observe(createRateByLag(), 30, 1);
    const much = observe(createRateByLag(), 150, 1);
    expect(somewhat).toBeLessThan(first);
    expect(much).toBeLessThan(somewhat);
    expect(observe(createRateByLag(), 10_000, 100)).toBe(100);
  });

  test('recovers without clients when the lag is over', () => {
    const rate = createRateByLag();
    const first = rate.perSecond;
    observe(rate, 150, 3, false);
    expect(observe(rate, 0, 30, false)).toBe(first);
  });

  test('is decided by the worst tick of a window', () => {
    const rate = createRateByLag();
    const first = rate.perSecond;
    for (const lagMs of [0, 120, 0, 0]) rate.observe(lagMs, true);
    expect(rate.perSecond).toBeLessThan(first);
  });
});

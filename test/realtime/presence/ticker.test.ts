import { expect, test } from 'vitest';
import { createTicker } from '../../../src/realtime/presence/ticker.js';
import { createTestClock } from '../../support/clock.js';

/** Resolves when everything that waits for nothing else has happened. */
const rest = () => new Promise(setImmediate);

/** A ticker that ticks every second, and whose ticks end when the test says so. */
function openTicker() {
  const clock = createTestClock(0);
  const startedAt: number[] = [];
  const state = { canTick: true, isHeld: false, end: (): void => undefined };
  const ticker = createTicker({
    clock,
    intervalMs: 1000,
    canTick: () => state.canTick,
    tick() {
      startedAt.push(clock.now());
      return new Promise<void>((resolve) => {
        state.end = resolve;
        if (!state.isHeld) resolve();
      });
    },
  });
  const advance = async (byMs: number) => {
    clock.advance(byMs);
    await rest();
  };
  return { ticker, state, startedAt, advance };
}

test('it ticks at its start and at its interval, and not while it cannot', async () => {
  const { ticker, state, startedAt, advance } = openTicker();
  ticker.wakeUp();
  await rest();
  expect(startedAt).toEqual([]);
  await ticker.start();
  expect(startedAt).toEqual([0]);
  await advance(1000);
  state.canTick = false;
  await advance(1000);
  state.canTick = true;
  await advance(1000);
  expect(startedAt).toEqual([0, 1000, 3000]);
});

test('ticks sooner when requested, once for requests that coincide', async () => {
  const { ticker, startedAt, advance } = openTicker();
  await ticker.start();
  ticker.expect(500);
  ticker.expect(300);
  ticker.expect(400);
  await advance(300);
  expect(startedAt).toEqual([0, 300]);
  ticker.expect(0);
  ticker.expect(10);
  await advance(24);
  expect(startedAt).toHaveLength(2);
  await advance(1);
  expect(startedAt).toEqual([0, 300, 325]);
  await advance(600);
  expect(startedAt).toHaveLength(3);
});

test('ticks do not overlap, a wake during a tick causes one more, and stopping waits for the last', async () => {
  const { ticker, state, startedAt, advance } = openTicker();
  await ticker.start();
  state.isHeld = true;
  ticker.wakeUp();
  ticker.wakeUp();
  await advance(10);
  ticker.wakeUp();
  expect(startedAt).toEqual([0, 0]);
  state.end();
  await rest();
  expect(startedAt).toEqual([0, 0, 10]);

  ticker.expect(100);
  ticker.wakeUp();
  let isStopped = false;
  const stopped = ticker.stop().then(() => {
    isStopped = true;
  });
  await advance(5000);
  expect(isStopped).toBe(false);
  state.end();
  await stopped;
  await advance(5000);
  expect(startedAt).toEqual([0, 0, 10]);
});

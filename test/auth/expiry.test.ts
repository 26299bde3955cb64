import { expect, test } from 'vitest';
import { createExpiryWatch, type ExpiringSocket } from '../../src/auth/expiry.js';
import { createTestClock } from '../support/clock.js';

/** A socket that writes down what it gets. */
function createSocket(expiresAt: number): ExpiringSocket & { readonly got: string[] } {
  const got: string[] = [];
  return {
    got,
    data: { principal: { expiresAt }, isWarned: false },
    emit: (event) => got.push(event),
    disconnect: () => got.push('disconnect'),
  };
}

const HOUR_MS = 3_600_000;

/** Timers go on evenly; the date can be set. */
function createDate() {
  const timers = createTestClock();
  let offsetMs = 0;
  return {
    clock: { ...timers, now: () => timers.now() + offsetMs },
    set: (byMs: number) => {
      offsetMs += byMs;
    },
    advance: (byMs: number) => timers.advance(byMs),
  };
}

test('a token expires within half a minute after the date was set beyond its end', () => {
  const { clock, set, advance } = createDate();
  const socket = createSocket(clock.now() + 2 * HOUR_MS);
  const watch = createExpiryWatch(clock, () => [socket]);
  watch.connected(socket);
  set(3 * HOUR_MS);
  advance(30_000);
  expect(socket.got).toEqual(['auth_expired', 'disconnect']);
});

test('a token is valid until its end after the date was set back', () => {
  const { clock, set, advance } = createDate();
  const socket = createSocket(clock.now() + 2 * HOUR_MS);
  const watch = createExpiryWatch(clock, () => [socket]);
  watch.connected(socket);
  set(-HOUR_MS);
  advance(2.5 * HOUR_MS);
  expect(socket.got).toEqual([]);
  advance(0.5 * HOUR_MS - 60_000);
  expect(socket.got).toEqual(['auth_expiring']);
  advance(60_000);
  expect(socket.got).toEqual(['auth_expiring', 'auth_expired', 'disconnect']);
});

import { EventEmitter } from 'node:events';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { Logger } from '../../../src/platform/logging/logger.js';
import { watchClock } from '../../../src/platform/mongo/clock-watch.js';

beforeEach(() => void vi.useFakeTimers({ toFake: ['Date'] }));
afterEach(() => void vi.useRealTimers());

/** @returns takes the next reply of a server, by how much this machine is ahead of it; and what was logged */
function watch() {
  const client = new EventEmitter();
  const logged: unknown[] = [];
  const note = ({ differenceMs }: { differenceMs: number }, message: string) => logged.push([message, differenceMs]);
  watchClock(client as never, { info: note, warn: note } as unknown as Logger);
  const reply = (aheadMs: number, state: object = { isWritablePrimary: true }): void =>
    void client.emit('serverHeartbeatSucceeded', { reply: { ...state, localTime: new Date(Date.now() - aheadMs) } });
  return { reply, logged };
}

const DIFFERS = 'the clock of this machine differs from that of the database';
const AGREES = 'the clock of this machine agrees with that of the database';

test.each([120_000, -120_000])('a clock that is %i ms ahead is logged once, and when it agrees again', (aheadMs) => {
  const { reply, logged } = watch();
  for (let i = 0; i < 5; i += 1) reply(aheadMs + i);
  expect(logged.map((line) => (line as [string])[0])).toEqual([DIFFERS]);
  expect(Math.abs((logged as [string, number][])[0]?.[1] ?? 0)).toBeCloseTo(120_000, -2);
  reply(10);
  expect(logged.at(-1)).toEqual([AGREES, 10]);
  expect(logged).toHaveLength(2);
});

test('replies that are read late, a small difference, and secondaries say nothing', () => {
  const { reply, logged } = watch();
  for (let i = 0; i < 5; i += 1) {
    reply(60_000);
    reply(60_000);
    reply(2000);
    reply(60_000, { isWritablePrimary: false });
    reply(60_000, { isWritablePrimary: false });
  }
  expect(logged).toEqual([]);
});

import { setImmediate } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { createAnswers } from '../../../src/platform/redis/answers.js';
import type { CommandClient } from '../../../src/platform/redis/connection.js';
import { watchConnection } from '../../../src/platform/redis/hang-detector.js';

const LOOK_MS = 500;
let nowMs = 0;

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
  vi.spyOn(performance, 'now').mockImplementation(() => nowMs);
});
afterEach(() => {
  vi.restoreAllMocks();
  vi.useRealTimers();
});

/** A connection whose commands are answered when the test says so. */
function watch() {
  const answers = createAnswers();
  const reconnect = vi.fn();
  const ping = vi.fn(async () => undefined);
  const stop = watchConnection(
    { isReady: true, answers, reconnect, ping } as unknown as CommandClient,
    () => undefined,
  );
  return {
    reconnect,
    stop,
    send(): () => Promise<void> {
      let answer = (): void => undefined;
      void answers.track(new Promise<void>((resolve) => (answer = resolve)));
      return async () => {
        answer();
        await setImmediate();
      };
    },
    /** The timer fires once, after so long, and the event loop turns. */
    async look(afterMs = LOOK_MS): Promise<void> {
      nowMs += afterMs;
      vi.advanceTimersByTime(LOOK_MS);
      for (let turns = 0; turns < 4; turns += 1) await setImmediate();
    },
  };
}

test('a connection is dropped after two seconds without an answer', async () => {
  const { send, look, reconnect, stop } = watch();
  send();
  // Less than two seconds, because the first look comes sooner or later.
  for (let looks = 0; looks < 4; looks += 1) await look();
  expect(reconnect).not.toHaveBeenCalled();
  await look();
  expect(reconnect).toHaveBeenCalledTimes(1);
  stop();
});

test('a connection with an answer now and then is not dropped, however many commands wait', async () => {
  const { send, look, reconnect, stop } = watch();
  for (let rounds = 0; rounds < 5; rounds += 1) {
    const answer = send();
    send();
    for (let looks = 0; looks < 3; looks += 1) await look();
    await answer();
  }
  expect(reconnect).not.toHaveBeenCalled();
  stop();
});

test('a connection is not dropped because this process stood still', async () => {
  const { send, look, reconnect, stop } = watch();
  const answer = send();
  await look(60_000);
  await look();
  await look(3000);
  expect(reconnect).not.toHaveBeenCalled();
  await answer();
  await look();
  await look();
  expect(reconnect).not.toHaveBeenCalled();
  stop();
});

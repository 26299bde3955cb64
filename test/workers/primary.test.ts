import { setImmediate } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { readConfig } from '../../src/config.js';
import type { StartError } from '../../src/platform/start-error.js';
import { createCalls } from '../../src/workers/calls.js';
import type { ProcessEnd } from '../../src/workers/fork.js';
import { createPrimary } from '../../src/workers/primary.js';
import type { PrimaryCalls, StopOrder } from '../../src/workers/protocol.js';
import { STABLE_MS } from '../../src/workers/restarts.js';
import { createTestClock } from '../support/clock.js';

/** What the process of a worker does that no test starts. */
interface FakeWorker {
  /** Ends it. */
  end(how: ProcessEnd): void;
  readonly stops: readonly StopOrder[];
  /** How often it was told to leave the port. */
  departures: number;
  readonly primary: {
    call(name: 'leave', body: undefined): Promise<boolean>;
    call(name: 'missing', body: undefined): Promise<string[]>;
  };
}

const CRASH = { code: null, signal: 'SIGSEGV' };

/** A primary with workers that are no processes. @param exitCodes of the starts that fail, by their order */
function createTestPrimary(exitCodes: readonly (number | undefined)[] = []) {
  const clock = createTestClock();
  const workers: FakeWorker[] = [];
  const givenUp: StartError[] = [];
  const fork = () => {
    const stops: StopOrder[] = [];
    let end: (how: ProcessEnd) => void = () => undefined;
    const ended = new Promise<ProcessEnd>((resolve) => {
      end = resolve;
    });
    const exitCode = exitCodes[workers.length];
    const [listeners, others]: ((message: unknown) => void)[][] = [[], []];
    const primary = createCalls<PrimaryCalls>(
      {
        send: (message) => listeners?.map((listen) => listen(message)) !== undefined,
        onMessage: (listen) => void others?.push(listen),
      },
      {
        async start() {
          if (exitCode === undefined) return { port: 1 };
          void setImmediate().then(() => end({ code: exitCode, signal: null }));
          throw Object.assign(new Error('the reason'), { exitCode });
        },
        stop: (order: StopOrder) => void stops.push(order),
        leavePort() {
          worker.departures += 1;
        },
        missing: () => [],
        takeCounts: () => undefined,
      },
    );
    const worker: FakeWorker = { end, stops, departures: 0, primary };
    workers.push(worker);
    void setImmediate().then(() => primary.call('hello', undefined));
    return {
      pid: workers.length,
      ended,
      kill: () => end({ code: null, signal: 'SIGKILL' }),
      send: (message: unknown) => others?.map((listen) => listen(message)) !== undefined,
      onMessage: (listen: (message: unknown) => void) => void listeners?.push(listen),
    };
  };
  const config = readConfig({
    NODE_ENV: 'test',
    WORKERS: '2',
    PORT: '1',
    REDIS_URL: 'redis://localhost',
    MONGODB_URL: 'mongodb://localhost',
    SHUTDOWN_DRAIN_MS: '3000',
    SHUTDOWN_TIMEOUT_MS: '10000',
  });
  const log: string[] = [];
  const note = (...args: unknown[]): void => void log.push(String(args.at(-1)));
  const logger = { debug: note, info: note, warn: note, error: note, fatal: note };
  const primary = createPrimary(config, { fork, clock, logger, onGivenUp: (error) => void givenUp.push(error) });
  return { clock, workers, givenUp, primary, log };
}

test('a first worker that cannot start ends the start with its reason and its exit code, and no other is started', async () => {
  const { primary, workers, givenUp } = createTestPrimary([25]);
  await expect(primary.start()).rejects.toMatchObject({ message: 'the reason', exitCode: 25 });
  expect([workers.length, givenUp]).toEqual([1, []]);
});

test('workers that end soon after their start are started again later and later; then the primary gives up', async () => {
  const { primary, workers, givenUp, clock, log } = createTestPrimary([undefined, 24, 24, 24, 24]);
  await primary.start();
  const countEnds = (): number => log.filter((message) => message.includes('exited')).length;
  await clock.advanceUntil(50, () => countEnds() === 4);
  expect([workers.length, givenUp]).toEqual([5, []]);
  // The last end decides the exit code.
  workers[0]?.end(CRASH);
  await clock.advanceUntil(50, () => givenUp.length === 1);
  expect([givenUp[0]?.exitCode, countEnds()]).toEqual([26, 4]);
});

test('while one worker works the primary never gives up on another', async () => {
  const failing = Array.from({ length: 20 }, () => 24);
  const { primary, workers, givenUp, clock } = createTestPrimary([undefined, undefined, ...failing]);
  await primary.start();
  await clock.advanceUntil(100, () => workers.length === 2);
  await clock.advanceUntil(STABLE_MS, () => true);
  await setImmediate();
  workers[1]?.end(CRASH);
  await clock.advanceUntil(5000, () => workers.length === 12);
  expect(givenUp).toEqual([]);
});

test('a stop drains one worker after another in shares of the time, and goes on when one does not end', async () => {
  const { primary, workers, clock } = createTestPrimary();
  await primary.start();
  await clock.advanceUntil(100, () => workers.length === 2);
  for (let turn = 0; turn < 10; turn += 1) await setImmediate();
  const closing = primary.close();
  const [one, two] = workers;
  await clock.advanceUntil(0, () => one?.stops.length === 1);
  expect([one?.stops, two?.stops]).toEqual([[{ drainMs: 1500, timeoutMs: 10_000 }], []]);
  // Others go on accepting connections; of the last one none does.
  expect(await one?.primary.call('leave', undefined)).toBe(true);
  clock.advance(5000);
  await clock.advanceUntil(0, () => two?.stops.length === 1);
  expect(await two?.primary.call('leave', undefined)).toBe(false);
  one?.end({ code: 1, signal: null });
  two?.end({ code: 0, signal: null });
  await expect(closing).rejects.toThrow('did not stop gracefully');
});

test('the last worker that drains stays on the port until another worker serves', async () => {
  const { primary, workers, clock } = createTestPrimary();
  await primary.start();
  await clock.advanceUntil(100, () => workers.length === 2);
  for (let turn = 0; turn < 10; turn += 1) await setImmediate();
  const [one, two] = workers;
  expect(await one?.primary.call('leave', undefined)).toBe(true);
  expect(await two?.primary.call('leave', undefined)).toBe(false);
  expect([one?.departures, two?.departures]).toEqual([0, 0]);
  // An operator ends the first one to get it back.
  one?.end({ code: 1, signal: null });
  await clock.advanceUntil(100, () => two?.departures === 1);
  expect(workers).toHaveLength(3);
  // The one that serves now is the last, so it may not leave.
  expect(await workers[2]?.primary.call('leave', undefined)).toBe(false);
  expect(workers.map(({ departures }) => departures)).toEqual([0, 1, 0]);
});

test('a stop gives the whole time to the workers on the port when another was drained before', async () => {
  const { primary, workers, clock } = createTestPrimary();
  await primary.start();
  await clock.advanceUntil(100, () => workers.length === 2);
  for (let turn = 0; turn < 10; turn += 1) await setImmediate();
  const [one, two] = workers;
  expect(await one?.primary.call('leave', undefined)).toBe(true);
  const closing = primary.close();
  await clock.advanceUntil(0, () => one?.stops.length === 1 && two?.stops.length === 1);
  expect(two?.stops).toEqual([{ drainMs: 3000, timeoutMs: 10_000 }]);
  for (const worker of workers) worker.end({ code: 0, signal: null });
  await closing;
});

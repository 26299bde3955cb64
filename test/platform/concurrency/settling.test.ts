import { mongo } from 'mongoose';
import { expect, test, vi } from 'vitest';
import { createSettling } from '../../../src/platform/concurrency/settling.js';
import { createTestClock } from '../../support/clock.js';

/** One stored state, and what is sent of it. */
function setUp() {
  const clock = createTestClock();
  const warn = vi.fn();
  const settling = createSettling({ clock, logger: { warn } as never });
  const sent: string[] = [];
  const stored = { state: 'a' as string | undefined, reads: 0, failures: 0 };
  const settle = (state: string | undefined): void =>
    settling.settle('key', {
      sent: state,
      async read() {
        stored.reads += 1;
        if (stored.reads <= stored.failures) throw new Error('away');
        return stored.state;
      },
      send: (now) => sent.push(now),
    });
  /** Lets time pass, and what is read meanwhile arrive. */
  const pass = async (ms: number): Promise<void> => {
    for (let passed = 0; passed < ms; passed += 100) {
      clock.advance(100);
      for (let turn = 0; turn < 10; turn += 1) await Promise.resolve();
    }
  };
  return { settling, sent, stored, settle, pass, warn };
}

test('what is stored is sent when something else was sent, and nothing else', async () => {
  const { sent, stored, settle, pass } = setUp();
  settle('a');
  await pass(5000);
  expect([sent, stored.reads]).toEqual([[], 1]);
  stored.state = 'b';
  settle('a');
  await pass(5000);
  expect([sent, stored.reads]).toEqual([['b'], 3]);
});

test('of several changes the last one is compared', async () => {
  const { sent, stored, settle, pass } = setUp();
  for (const state of ['c', 'b', 'a']) settle(state);
  await pass(5000);
  expect(sent).toEqual([]);
  stored.state = 'b';
  for (const state of ['a', 'b']) settle(state);
  await pass(5000);
  expect(sent).toEqual([]);
});

test('what changes all the time is compared all the same', async () => {
  const { sent, stored, settle, pass } = setUp();
  stored.state = 'b';
  for (let change = 0; change < 50; change += 1) {
    settle('a');
    await pass(100);
  }
  expect(sent.length).toBeGreaterThan(1);
});

test('a change that came while there was a wait is compared after a whole wait', async () => {
  const { sent, stored, settle, pass } = setUp();
  settle('a');
  await pass(1400);
  settle('a');
  await pass(600);
  stored.state = 'b';
  await pass(2000);
  expect(sent).toEqual(['b']);
});

test('what came too early for its receivers is sent once more', async () => {
  const { sent, settle, pass } = setUp();
  settle(undefined);
  await pass(10_000);
  expect(sent).toEqual(['a']);
});

test('what is gone is not sent', async () => {
  const { sent, stored, settle, pass, warn } = setUp();
  stored.state = undefined;
  settle('a');
  await pass(5000);
  expect(sent).toEqual([]);
  expect(warn).not.toHaveBeenCalled();
});

test('a node that stops compares first, and nothing after that', async () => {
  const { settling, sent, stored, settle, pass } = setUp();
  stored.state = 'b';
  settle('a');
  await settling.stop();
  expect(sent).toEqual(['b']);
  stored.state = 'c';
  settle('b');
  await pass(5000);
  expect([sent, stored.reads]).toEqual([['b'], 1]);
});

/** Things that are compared together, by what is stored of each. */
function setUpEach() {
  const { settling, pass } = setUp();
  const stored = new Map<string, string>();
  const reads: string[][] = [];
  const sent: string[] = [];
  let failures = 0;
  const fail = (times: number): void => {
    failures = times;
  };
  const settleEach = (...things: [string, string][]): void =>
    settling.settleEach<string, string[]>('key', {
      sent: things,
      async read(states) {
        reads.push([...states.keys()]);
        if (reads.length <= failures) throw new Error('away');
        return [...states].flatMap(([thing, state]) => (stored.get(thing) === state ? [] : thing));
      },
      send: (differing) => sent.push(...differing),
    });
  return { settling, pass, stored, reads, sent, settleEach, fail };
}

test('several things are read together, and only those are sent of which something else is stored', async () => {
  const { pass, stored, reads, sent, settleEach } = setUpEach();
  stored.set('x', '1').set('y', '2').set('z', '3');
  settleEach(['x', '1'], ['y', '0']);
  settleEach(['z', '0']);
  await pass(5000);
  expect(reads.flat().toSorted()).toEqual(['x', 'y', 'z']);
  expect(sent.toSorted()).toEqual(['y', 'z']);
});

test('of several things none is compared sooner than another one would be alone', async () => {
  const { pass, stored, sent, settleEach } = setUpEach();
  stored.set('x', '1').set('y', '1');
  settleEach(['x', '1']);
  await pass(1400);
  settleEach(['y', '1']);
  // Just after the first of them was due.
  await pass(200);
  stored.set('y', '2');
  await pass(5000);
  expect(sent).toEqual(['y']);
});

test('a thing that changes all the time is compared all the same', async () => {
  const { pass, sent, settleEach } = setUpEach();
  for (let change = 0; change < 50; change += 1) {
    settleEach(['x', 'never stored']);
    await pass(100);
  }
  expect(sent.length).toBeGreaterThan(1);
});

test('at the end all things are compared', async () => {
  const { settling, sent, settleEach } = setUpEach();
  settleEach(['x', 'never stored']);
  settleEach(['y', 'never stored']);
  await settling.stop();
  expect(sent.toSorted()).toEqual(['x', 'y']);
});

test('a look that fails is repeated, and once more compared after that', async () => {
  const { sent, stored, settle, pass, warn } = setUp();
  stored.failures = 3;
  stored.state = 'b';
  settle('a');
  await pass(5000);
  expect([sent, warn.mock.calls.length]).toEqual([[], 1]);
  await pass(30_000);
  expect(sent).toEqual(['b']);
});

test('a node that has stopped does not repeat a look that fails', async () => {
  const { settling, stored, settle, pass } = setUp();
  stored.failures = 3;
  settle('a');
  await settling.stop();
  await pass(30_000);
  expect(stored.reads).toBe(1);
});

test('things whose look fails are compared with the next one', async () => {
  const { pass, stored, sent, settleEach, fail } = setUpEach();
  fail(2);
  stored.set('x', '1').set('y', '1');
  settleEach(['x', '0']);
  await pass(1000);
  settleEach(['y', '0']);
  await pass(30_000);
  expect(sent.toSorted()).toEqual(['x', 'y']);
});

test('a change with an unknown outcome is settled, one that was refused is not', async () => {
  const { settling } = setUp();
  const onUnknown = vi.fn();
  const away = new mongo.MongoNetworkError('lost');
  await expect(settling.change(() => Promise.reject(away), onUnknown)).rejects.toBe(away);
  expect(onUnknown).toHaveBeenCalledTimes(1);
  await expect(settling.change(() => Promise.reject(new Error('refused')), onUnknown)).rejects.toThrow('refused');
  expect(await settling.change(async () => 1, onUnknown)).toBe(1);
  expect(onUnknown).toHaveBeenCalledTimes(1);
});

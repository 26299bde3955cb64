import { expect, test } from 'vitest';
import { createKeyedMutex as createMutex } from '../../../src/platform/concurrency/keyed-mutex.js';
import { createTestClock } from '../../support/clock.js';

const createKeyedMutex = (clock = createTestClock()) => createMutex({ clock, waitMs: 1000 });

/** What a test lets go on. */
function createGate() {
  let open = (): void => undefined;
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { open, opened };
}

/** Resolves when everything that waits for nothing else has happened. */
const rest = () => new Promise(setImmediate);

test('tasks with a common key run in order of arrival; others do not wait', async () => {
  const { run } = createKeyedMutex();
  const gate = createGate();
  const log: string[] = [];
  const note = (name: string) => async () => void log.push(name);
  const tasks = [
    run(['a', 'b'], () => gate.opened.then(note('first'))),
    run(['b', 'c'], note('second')),
    run(['c'], note('third')),
    run(['d'], note('other')),
  ];
  await rest();
  expect(log).toEqual(['other']);
  gate.open();
  await Promise.all(tasks);
  expect(log).toEqual(['other', 'first', 'second', 'third']);
});

test('callers get the result of their task, and a failure does not block others', async () => {
  const { run, join } = createKeyedMutex();
  const failing = [
    run(['a'], () => Promise.reject(new Error('taken'))),
    join(['a'], () => Promise.reject(new Error('joined'))),
  ];
  const result = run(['a'], async () => 'done');
  await expect(failing[0]).rejects.toThrow('taken');
  await expect(failing[1]).rejects.toThrow('joined');
  expect(await result).toBe('done');
});

test('a joined task starts at once and gets its turn after all earlier tasks', async () => {
  const { join, run } = createKeyedMutex();
  const gate = createGate();
  const log: string[] = [];
  const first = join(['a'], async (turn) => {
    await gate.opened;
    await turn;
    log.push('first');
  });
  const early = join(['a'], async () => void log.push('early'));
  const third = join(['a'], async (turn) => {
    log.push('third begins');
    await turn;
    log.push('third');
  });
  const last = run(['a'], async () => void log.push('last'));
  await early;
  await rest();
  expect(log).toEqual(['early', 'third begins']);
  gate.open();
  await Promise.all([first, third, last]);
  expect(log).toEqual(['early', 'third begins', 'first', 'third', 'last']);
});

test('refuses a task whose wait times out, never runs it, and keeps the order of the others', async () => {
  const clock = createTestClock();
  const { run, join } = createKeyedMutex(clock);
  const gate = createGate();
  const log: string[] = [];
  const note = (name: string) => async () => void log.push(name);
  const first = run(['a'], () => gate.opened.then(note('first')));
  const late = [
    run(['a'], note('late')),
    join(['a'], async (turn) => {
      await turn;
      log.push('joined late');
    }),
  ];
  // It joined without waiting for its turn: there is nothing to refuse.
  const early = join(['a'], note('early'));
  await early;
  clock.advance(999);
  const last = run(['a'], note('last'));
  clock.advance(1);
  for (const refused of late) await expect(refused).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  await rest();
  expect(log).toEqual(['early']);
  gate.open();
  await Promise.all([first, last]);
  expect(log).toEqual(['early', 'first', 'last']);
});

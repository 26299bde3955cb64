import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import {
  createBatcher,
  createGatheringBatcher,
  createGroupLoader,
  createLoader,
  createTimedBatcher,
} from '../../../src/platform/concurrency/batcher.js';
import { createTestClock } from '../../support/clock.js';
import { until } from '../../support/until.js';

/** Work that is done when the test says so, and what it was asked for. */
function createWork() {
  const calls: { items: readonly string[]; end: (results: readonly (string | Error)[]) => void; fail: () => void }[] =
    [];
  const work = (items: readonly string[]) =>
    new Promise<readonly (string | Error)[]>((resolve, reject) => {
      calls.push({ items, end: resolve, fail: () => reject(new Error('all of it')) });
    });
  return { work, calls, asked: () => calls.map(({ items }) => items) };
}

/** Resolves when everything that waits for nothing else has happened. */
const rest = () => new Promise(setImmediate);

describe('a group', () => {
  test('contains the items of one turn of the event loop, then those that arrived meanwhile', async () => {
    const { work, calls, asked } = createWork();
    const add = createBatcher(work, 3);
    const first = [add('1'), add('2')];
    await rest();
    const second = ['3', '4', '5', '6'].map(add);
    await rest();
    expect(asked()).toEqual([['1', '2']]);
    calls[0]?.end(['one', 'two']);
    expect(await Promise.all(first)).toEqual(['one', 'two']);
    expect(asked()).toEqual([
      ['1', '2'],
      ['3', '4', '5'],
    ]);
    calls[1]?.fail();
    for (const one of second.slice(0, 3)) await expect(one).rejects.toThrow('all of it');
    calls[2]?.end(['six']);
    expect(await second[3]).toBe('six');
    await rest();
    const later = add('7');
    await rest();
    calls[3]?.end(['seven']);
    expect(await later).toBe('seven');
  });
});

test('a spaced group does not delay a single item, and gathers those that come soon after it', async () => {
  const { work, calls, asked } = createWork();
  const add = createBatcher(work, { sizeMax: 3, spacingMs: 500 });
  const first = add('1');
  await rest();
  expect(asked()).toEqual([['1']]);
  calls[0]?.end(['one']);
  expect(await first).toBe('one');
  const second = add('2');
  // Without the spacing the second item would be asked for alone.
  await rest();
  const third = add('3');
  await until(() => calls.length === 2);
  expect(asked()).toEqual([['1'], ['2', '3']]);
  calls[1]?.end(['two', 'three']);
  expect(await Promise.all([second, third])).toEqual(['two', 'three']);
});

test('a full spaced group does not wait', async () => {
  const { work, calls, asked } = createWork();
  const add = createBatcher(work, { sizeMax: 2, spacingMs: 86_400_000 });
  const all = ['1', '2', '3', '4'].map(add);
  await rest();
  calls[0]?.end(['one', 'two']);
  await until(() => calls.length === 2);
  calls[1]?.end(['three', 'four']);
  expect(await Promise.all(all)).toEqual(['one', 'two', 'three', 'four']);
  expect(asked()).toEqual([
    ['1', '2'],
    ['3', '4'],
  ]);
});

describe('a gathering group', () => {
  beforeEach(() => void vi.useFakeTimers({ toFake: ['performance', 'setTimeout', 'clearTimeout'] }));
  afterEach(() => void vi.useRealTimers());

  /** The first batch has two items, two more arrive meanwhile, and it takes a while. */
  const openGroup = async (tookMs: number) => {
    const { work, calls, asked } = createWork();
    const add = createGatheringBatcher(work, { sizeMax: 10, gatherMs: 5 });
    for (const item of ['1', '2']) void add(item);
    await rest();
    for (const item of ['3', '4']) void add(item);
    vi.advanceTimersByTime(tookMs);
    calls[0]?.end(['one', 'two']);
    await rest();
    return { add, asked };
  };

  test('waits for the callers of the one before, and takes all of a turn', async () => {
    const { add, asked } = await openGroup(4);
    void add('5');
    await rest();
    expect(asked()).toEqual([['1', '2']]);
    for (const item of ['6', '7']) void add(item);
    await rest();
    expect(asked()).toEqual([
      ['1', '2'],
      ['3', '4', '5', '6', '7'],
    ]);
  });

  test.each([
    { tookMs: 3, waitMs: 3 },
    { tookMs: 60_000, waitMs: 5 },
  ])('waits for them no longer than that one took, and no longer than its limit: $waitMs ms', async (expected) => {
    const { asked } = await openGroup(expected.tookMs);
    vi.advanceTimersByTime(expected.waitMs - 1);
    await rest();
    expect(asked()).toHaveLength(1);
    vi.advanceTimersByTime(1);
    await rest();
    expect(asked()).toEqual([
      ['1', '2'],
      ['3', '4'],
    ]);
  });

  test('of one caller does not wait', async () => {
    const { work, calls, asked } = createWork();
    const add = createGatheringBatcher(work, { sizeMax: 10, gatherMs: 5 });
    const first = add('1');
    await rest();
    vi.advanceTimersByTime(4);
    calls[0]?.end(['one']);
    await first;
    void add('2');
    await rest();
    expect(asked()).toEqual([['1'], ['2']]);
  });

  test('that is full does not wait', async () => {
    const { work, calls, asked } = createWork();
    const add = createGatheringBatcher(work, { sizeMax: 2, gatherMs: 5 });
    for (const item of ['1', '2', '3', '4']) void add(item);
    await rest();
    vi.advanceTimersByTime(4);
    calls[0]?.end(['one', 'two']);
    await rest();
    expect(asked()).toEqual([
      ['1', '2'],
      ['3', '4'],
    ]);
  });
});

test('a loader reads each key of a turn once, and has nothing for keys without a value', async () => {
  const asked: (readonly string[])[] = [];
  const load = createLoader(async (keys) => {
    asked.push(keys);
    return new Map(keys.filter((key) => key !== 'c').map((key) => [key, key.toUpperCase()]));
  }, 10);
  expect(await Promise.all(['a', 'b', 'a', 'c'].map(load))).toEqual(['A', 'B', 'A', undefined]);
  expect(asked).toEqual([['a', 'b', 'c']]);
});

test('a loader of groups reads the keys of all groups of a turn, in parts', async () => {
  const asked: (readonly string[])[] = [];
  const load = createGroupLoader(async (keys) => {
    asked.push(keys);
    return new Map(keys.filter((key) => key !== 'c').map((key) => [key, key.toUpperCase()]));
  }, 2);
  const [first, second, none] = await Promise.all([load(['a', 'b']), load(['b', 'c', 'd']), load([])]);
  expect([...'ab'].map((key) => first.get(key))).toEqual(['A', 'B']);
  expect([...'bcd'].map((key) => second.get(key))).toEqual(['B', undefined, 'D']);
  expect(none.get('c')).toBeUndefined();
  expect(asked).toEqual([
    ['a', 'b'],
    ['c', 'd'],
  ]);
});

describe('a batch', () => {
  const openBatch = () => {
    const clock = createTestClock();
    const { work, calls, asked } = createWork();
    return { clock, calls, asked, batch: createTimedBatcher(work, { size: 2, afterMs: 100, clock }) };
  };

  test('starts when it is full or its first item timed out, even while the previous one runs', async () => {
    const { clock, calls, asked, batch } = openBatch();
    const full = [batch.add('1'), batch.add('2')];
    expect(asked()).toEqual([['1', '2']]);
    clock.advance(60);
    const late = batch.add('3');
    clock.advance(99);
    expect(asked()).toHaveLength(1);
    clock.advance(1);
    expect(asked()).toEqual([['1', '2'], ['3']]);
    calls[1]?.end(['three']);
    expect(await late).toBe('three');
    calls[0]?.end(['one', new Error('this one')]);
    expect(await full[0]).toBe('one');
    await expect(full[1]).rejects.toThrow('this one');
  });

  test('flush waits for all started batches', async () => {
    const { clock, calls, asked, batch } = openBatch();
    const items = ['1', '2', '3'].map(batch.add);
    let isFlushed = false;
    const flushed = batch.flush().then(() => {
      isFlushed = true;
    });
    expect(asked()).toEqual([['1', '2'], ['3']]);
    calls[1]?.end(['three']);
    await rest();
    expect(isFlushed).toBe(false);
    calls[0]?.fail();
    await flushed;
    for (const item of items.slice(0, 2)) await expect(item).rejects.toThrow('all of it');
    clock.advance(1000);
    expect(asked()).toHaveLength(2);
  });
});

test('a group of many is followed by a longer spacing than a small one', async () => {
  const sizes: number[] = [];
  const add = createBatcher<string, string>(
    async (items) => {
      sizes.push(items.length);
      return items;
    },
    { sizeMax: 10, spacingMs: 0, crowdedSpacingMs: 86_400_000 },
  );
  await add('1');
  await Promise.all(['2', '3'].map(add));
  await Promise.all(['4', '5', '6'].map(add));
  void add('7');
  for (let turn = 0; turn < 10; turn += 1) await rest();
  expect(sizes).toEqual([1, 2, 3]);
});

import { describe, expect, test } from 'vitest';
import { SmallMap } from '../../src/library-internals/small-map.js';

/** Changes that a small map and a map go through together: entries are set, and keys without a value are deleted. */
const HISTORIES: readonly (readonly (readonly [string, number?])[])[] = [
  [],
  [['a', 1]],
  [
    ['a', 1],
    ['a', 2],
  ],
  [['a', 1], ['a'], ['b', 2]],
  [
    ['a', 1],
    ['b', 2],
    ['a', 3],
  ],
  [['a', 1], ['b', 2], ['a'], ['b'], ['c', 3]],
  [['a', 1], ['b', 2], ['c', 3], ['b'], ['x']],
];

describe.each(HISTORIES.map((history) => [history]))('after %j', (history) => {
  const small = new SmallMap<string, number>();
  const map = new Map<string, number>();
  for (const [key, value] of history) {
    const answers = [small, map].map((one) => (value === undefined ? one.delete(key) : one.set(key, value).size));
    expect(answers[0]).toBe(answers[1]);
  }

  test('it holds what a map holds', () => {
    expect(small.size).toBe(map.size);
    expect([...small]).toEqual([...map]);
    expect([...small.keys()]).toEqual([...map.keys()]);
    expect([...small.values()]).toEqual([...map.values()]);
    for (const key of ['a', 'b', 'c', 'x']) {
      expect(small.has(key)).toBe(map.has(key));
      expect(small.get(key)).toBe(map.get(key));
    }
    const visited: unknown[] = [];
    small.forEach((value, key) => void visited.push([key, value]));
    expect(visited).toEqual([...map]);
  });

  test('a copy is equal, and empty when it is cleared', () => {
    const copy = new SmallMap(small);
    expect([...copy]).toEqual([...map]);
    copy.clear();
    expect([copy.size, ...copy]).toEqual([0]);
    expect(small.size).toBe(map.size);
  });
});

test('an entry can be deleted while the entries are visited', () => {
  const small = new SmallMap([
    ['a', 1],
    ['b', 2],
    ['c', 3],
  ]);
  const visited: string[] = [];
  for (const key of small.keys()) {
    visited.push(key);
    small.delete(key);
  }
  expect(visited).toEqual(['a', 'b', 'c']);
  expect(small.size).toBe(0);
});

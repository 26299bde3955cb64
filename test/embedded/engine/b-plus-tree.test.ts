import { describe, expect, test } from 'vitest';
import { BPlusTree } from '../../../src/embedded/engine/tree/b-plus-tree.js';
import type { Sequenced } from '../../../src/embedded/engine/tree/node.js';
import { createRandom } from '../../support/random.js';

interface Entry {
  readonly key: string;
  readonly value: Sequenced;
}

const inOrder = (entries: readonly Entry[]): Entry[] =>
  [...entries].sort((left, right) =>
    left.key < right.key ? -1 : left.key > right.key ? 1 : left.value.sequence - right.value.sequence,
  );

function contentOf(tree: BPlusTree<Sequenced>, low: string, high: string, isReversed = false): string[] {
  const found: string[] = [];
  tree.scan({ low, high }, isReversed, ({ sequence }, key) => {
    found.push(`${key}/${sequence}`);
    return true;
  });
  return found;
}

const toText = ({ key, value }: Entry): string => `${key}/${value.sequence}`;

const END = '\uffff';

describe('the B+ tree', () => {
  test.each([
    ['few keys', 40],
    ['many keys', 100_000],
  ])('equals a sorted list after random inserts and deletes (%s)', (_name, keys) => {
    const random = createRandom(keys);
    const tree = new BPlusTree<Sequenced>();
    let entries: Entry[] = [];
    for (let step = 0; step < 20_000; step += 1) {
      if (entries.length > 0 && random.chance(step < 12_000 ? 0.3 : 0.7)) {
        const position = random.integer(entries.length);
        const [entry] = entries.splice(position, 1);
        expect(entry && tree.delete(entry.key, entry.value)).toBe(true);
      } else {
        const entry = { key: String(random.integer(keys)).padStart(6, '0'), value: { sequence: step } };
        entries.push(entry);
        tree.insert(entry.key, entry.value);
      }
      if (step % 1000 !== 0) continue;
      entries = inOrder(entries);
      expect(tree.size).toBe(entries.length);
      expect(contentOf(tree, '', END)).toEqual(entries.map(toText));
      const [low = '', high = ''] = [random.integer(keys), random.integer(keys)]
        .sort((a, b) => a - b)
        .map((key) => String(key).padStart(6, '0'));
      const within = entries.filter(({ key }) => key >= low && key < high);
      expect(tree.count({ low, high })).toBe(within.length);
      expect(contentOf(tree, low, high)).toEqual(within.map(toText));
      expect(contentOf(tree, low, high, true)).toEqual(within.map(toText).reverse());
    }
    for (const { key, value } of entries) tree.delete(key, value);
    expect(tree.size).toBe(0);
    expect(contentOf(tree, '', END)).toEqual([]);
  });

  test('has the same content when it is built from sorted entries', () => {
    const entries = Array.from({ length: 5000 }, (_, sequence) => ({ key: `k${sequence % 700}`, value: { sequence } }));
    const sorted = inOrder(entries);
    const tree = BPlusTree.fromSorted(sorted);
    expect(contentOf(tree, '', END)).toEqual(sorted.map(toText));
    expect(tree.count({ low: 'k10', high: 'k11' })).toBe(
      sorted.filter(({ key }) => key >= 'k10' && key < 'k11').length,
    );
    const added = { sequence: 9999 };
    tree.insert('k10', added);
    expect(tree.find('k10', ({ sequence }) => sequence === 9999)).toBe(added);
    expect(tree.find('k10', ({ sequence }) => sequence === 9998)).toBeUndefined();
    expect(tree.find('k1', () => false)).toBeUndefined();
    expect(tree.delete('k10', { sequence: 12_345 })).toBe(false);
  });

  test('stops a scan when the visitor returns false', () => {
    const tree = BPlusTree.fromSorted([
      { key: 'a', value: { sequence: 1 } },
      { key: 'b', value: { sequence: 2 } },
    ]);
    const seen: string[] = [];
    expect(tree.scan({ low: '', high: END }, true, (_value, key) => seen.push(key) < 1)).toBe(false);
    expect(seen).toEqual(['b']);
  });
});

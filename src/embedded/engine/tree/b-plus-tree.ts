import { buildTree, type SortedEntry } from './build.js';
import { deleteFrom, insertInto } from './change.js';
import {
  childOf,
  createBranch,
  createLeaf,
  type Leaf,
  lowerBound,
  type Sequenced,
  type TreeNode,
  toChild,
} from './node.js';

/** The keys from `low` (inclusive) to `high` (exclusive). */
export interface KeyRange {
  readonly low: string;
  readonly high: string;
}

/**
 * An ordered multimap from strings to values: a B+ tree with linked leaves. Insert, delete, seek and counting a range are
 * O(log n); each step of a scan in either direction is O(1).
 *
 * Entries are ordered by (key, value.sequence). Nodes are removed when they are empty, but not merged when they are
 * underfull. That costs some memory in indexes that shrink; most indexes only grow.
 */
export class BPlusTree<V extends Sequenced> {
  #root: TreeNode<V> = createLeaf<V>([], []);
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** Builds a tree from sorted entries, when a database is opened or an index is created. */
  static fromSorted<V extends Sequenced>(entries: readonly SortedEntry<V>[]): BPlusTree<V> {
    const index = new BPlusTree<V>();
    index.#root = buildTree(entries);
    index.#size = entries.length;
    return index;
  }

  insert(key: string, value: V): void {
    const split = insertInto(this.#root, key, value);
    this.#size += 1;
    if (split) this.#root = createBranch([toChild(this.#root), split]);
  }

  /** @returns whether the entry was there */
  delete(key: string, value: V): boolean {
    const isDeleted = deleteFrom(this.#root, key, value.sequence);
    if (!isDeleted) return false;
    this.#size -= 1;
    while (!this.#root.isLeaf && this.#root.children.length <= 1) {
      this.#root = this.#root.children[0] ?? createLeaf<V>([], []);
    }
    return true;
  }

  /** The number of entries in a range, without scanning it. */
  count(range: KeyRange): number {
    return Math.max(0, this.#rank(range.high) - this.#rank(range.low));
  }

  /** The first value of a key that passes the test. */
  find(key: string, isWanted: (value: V) => boolean): V | undefined {
    let leaf: Leaf<V> | undefined = this.#leafOf(key);
    let position = lowerBound(leaf.keys, key);
    while (leaf) {
      const { keys, values }: Leaf<V> = leaf;
      for (; position < keys.length; position += 1) {
        if (keys[position] !== key) return undefined;
        const value = values[position] as V;
        if (isWanted(value)) return value;
      }
      leaf = leaf.next;
      position = 0;
    }
    return undefined;
  }

  /**
   * Scans a range in order.
   * @param isReversed - from the end of the range to its start
   * @param visit - returns false to stop
   * @returns false when it was stopped
   */
  scan(range: KeyRange, isReversed: boolean, visit: (value: V, key: string) => boolean): boolean {
    return isReversed ? this.#scanDown(range, visit) : this.#scanUp(range, visit);
  }

  /** The values of a range in order, for several scans at once. The tree must not change meanwhile. */
  values(range: KeyRange, isReversed: boolean): Iterator<V, void> {
    return isReversed ? this.#valuesDown(range) : this.#valuesUp(range);
  }

  *#valuesUp({ low, high }: KeyRange): Generator<V, void, undefined> {
    let leaf: Leaf<V> | undefined = this.#leafOf(low);
    let position = lowerBound(leaf.keys, low);
    while (leaf) {
      const { keys, values }: Leaf<V> = leaf;
      for (; position < keys.length; position += 1) {
        if ((keys[position] as string) >= high) return;
        yield values[position] as V;
      }
      leaf = leaf.next;
      position = 0;
    }
  }

  *#valuesDown({ low, high }: KeyRange): Generator<V, void, undefined> {
    let leaf: Leaf<V> | undefined = this.#leafOf(high);
    let position = lowerBound(leaf.keys, high) - 1;
    while (leaf) {
      const { keys, values }: Leaf<V> = leaf;
      for (; position >= 0; position -= 1) {
        if ((keys[position] as string) < low) return;
        yield values[position] as V;
      }
      leaf = leaf.previous;
      position = leaf ? leaf.keys.length - 1 : -1;
    }
  }

  #scanUp({ low, high }: KeyRange, visit: (value: V, key: string) => boolean): boolean {
    let leaf: Leaf<V> | undefined = this.#leafOf(low);
    let position = lowerBound(leaf.keys, low);
    while (leaf) {
      const { keys, values }: Leaf<V> = leaf;
      for (; position < keys.length; position += 1) {
        const key = keys[position] as string;
        if (key >= high) return true;
        if (!visit(values[position] as V, key)) return false;
      }
      leaf = leaf.next;
      position = 0;
    }
    return true;
  }

  #scanDown({ low, high }: KeyRange, visit: (value: V, key: string) => boolean): boolean {
    let leaf: Leaf<V> | undefined = this.#leafOf(high);
    let position = lowerBound(leaf.keys, high) - 1;
    while (leaf) {
      const { keys, values }: Leaf<V> = leaf;
      for (; position >= 0; position -= 1) {
        const key = keys[position] as string;
        if (key < low) return true;
        if (!visit(values[position] as V, key)) return false;
      }
      leaf = leaf.previous;
      position = leaf ? leaf.keys.length - 1 : -1;
    }
    return true;
  }

  /** The leaf with the first entry at or after the key, or with the position at its end. */
  #leafOf(key: string): Leaf<V> {
    let node = this.#root;
    while (!node.isLeaf) node = node.children[childOf(node, key, -1)] as TreeNode<V>;
    return node;
  }

  /** The number of entries before the key. */
  #rank(key: string): number {
    let node = this.#root;
    let rank = 0;
    while (!node.isLeaf) {
      const position = childOf(node, key, -1);
      for (let before = 0; before < position; before += 1) rank += node.counts[before] as number;
      node = node.children[position] as TreeNode<V>;
    }
    return rank + lowerBound(node.keys, key);
  }
}

/**
 * An ordered multi-map from strings to values: a B+ tree whose leaves are linked, so that insert, delete, seek and
 * counting a range are O(log n) and walking a range either way is O(1) a step.
 *
 * Entries are ordered by (key, value.sequence). A node is removed when it becomes empty and is never merged before:
 * under-full nodes cost a little memory and no correctness, and most indexes only grow.
 */

/** What an index points to; `sequence` is unique among the values and breaks ties between equal keys. */
export interface Sequenced {
  readonly sequence: number;
}

/** The keys from `low` (included) up to `high` (excluded). */
export interface KeyRange {
  readonly low: string;
  readonly high: string;
}

interface Leaf<V> {
  readonly isLeaf: true;
  readonly keys: string[];
  readonly values: V[];
  previous: Leaf<V> | undefined;
  next: Leaf<V> | undefined;
}

interface Branch<V> {
  readonly isLeaf: false;
  readonly children: Node<V>[];
  /** How many entries each child holds below it. */
  readonly counts: number[];
  /** The smallest entry child i may hold; the first one's is never read. */
  readonly lowKeys: string[];
  readonly lowSequences: number[];
}

type Node<V> = Leaf<V> | Branch<V>;

/** A node that was split off to the right of the one inserted into. */
interface Split<V> {
  readonly node: Node<V>;
  readonly count: number;
  readonly lowKey: string;
  readonly lowSequence: number;
}

const MAX_NODE_SIZE = 64;

const createLeaf = <V>(keys: string[], values: V[]): Leaf<V> => ({
  isLeaf: true,
  keys,
  values,
  previous: undefined,
  next: undefined,
});

const countOf = <V>(node: Node<V>): number => {
  if (node.isLeaf) return node.keys.length;
  let total = 0;
  for (const count of node.counts) total += count;
  return total;
};

export class OrderedIndex<V extends Sequenced> {
  #root: Node<V> = createLeaf<V>([], []);
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** Builds the tree from entries already in order: what opening a database and creating an index use. */
  static fromSorted<V extends Sequenced>(
    entries: readonly { readonly key: string; readonly value: V }[],
  ): OrderedIndex<V> {
    const index = new OrderedIndex<V>();
    if (entries.length === 0) return index;
    const fill = MAX_NODE_SIZE - 8;
    let level: Split<V>[] = [];
    let last: Leaf<V> | undefined;
    for (let start = 0; start < entries.length; start += fill) {
      const slice = entries.slice(start, start + fill);
      const leaf = createLeaf<V>(
        slice.map((entry) => entry.key),
        slice.map((entry) => entry.value),
      );
      leaf.previous = last;
      if (last) last.next = leaf;
      last = leaf;
      const [first] = slice;
      if (first) level.push({ node: leaf, count: slice.length, lowKey: first.key, lowSequence: first.value.sequence });
    }
    while (level.length > 1) {
      const parents: Split<V>[] = [];
      for (let start = 0; start < level.length; start += fill) {
        const slice = level.slice(start, start + fill);
        const [first] = slice;
        if (!first) break;
        const node: Branch<V> = {
          isLeaf: false,
          children: slice.map((child) => child.node),
          counts: slice.map((child) => child.count),
          lowKeys: slice.map((child) => child.lowKey),
          lowSequences: slice.map((child) => child.lowSequence),
        };
        parents.push({ node, count: countOf(node), lowKey: first.lowKey, lowSequence: first.lowSequence });
      }
      level = parents;
    }
    const [root] = level;
    if (root) index.#root = root.node;
    index.#size = entries.length;
    return index;
  }

  insert(key: string, value: V): void {
    const split = insertInto(this.#root, key, value);
    this.#size += 1;
    if (!split) return;
    const left = this.#root;
    this.#root = {
      isLeaf: false,
      children: [left, split.node],
      counts: [countOf(left), split.count],
      lowKeys: ['', split.lowKey],
      lowSequences: [-1, split.lowSequence],
    };
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

  /** How many entries a range holds, without walking it. */
  count(range: KeyRange): number {
    return Math.max(0, this.#rank(range.high) - this.#rank(range.low));
  }

  /** Whether an entry with this key exists whose value passes the test. */
  some(key: string, isWanted: (value: V) => boolean): boolean {
    let isFound = false;
    this.scan({ low: key, high: `${key}\u0000` }, false, (value) => {
      isFound = isWanted(value);
      return !isFound;
    });
    return isFound;
  }

  /**
   * Walks a range in order.
   * @param isReversed - from the end of the range to its start
   * @param visit - returns false to stop
   * @returns false when it was stopped
   */
  scan(range: KeyRange, isReversed: boolean, visit: (value: V, key: string) => boolean): boolean {
    return isReversed ? this.#scanDown(range, visit) : this.#scanUp(range, visit);
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

  /** The leaf where the first entry at or after the key is, or would be at the end of. */
  #leafOf(key: string): Leaf<V> {
    let node = this.#root;
    while (!node.isLeaf) node = node.children[childOf(node, key, -1)] as Node<V>;
    return node;
  }

  /** How many entries are before the key. */
  #rank(key: string): number {
    let node = this.#root;
    let rank = 0;
    while (!node.isLeaf) {
      const position = childOf(node, key, -1);
      for (let before = 0; before < position; before += 1) rank += node.counts[before] as number;
      node = node.children[position] as Node<V>;
    }
    return rank + lowerBound(node.keys, key);
  }
}

/** The first position whose key is at or after the given one. */
const lowerBound = (keys: readonly string[], key: string): number => {
  let low = 0;
  let high = keys.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((keys[middle] as string) < key) low = middle + 1;
    else high = middle;
  }
  return low;
};

/** The position in a leaf of the first entry at or after (key, sequence). */
const positionIn = <V extends Sequenced>(leaf: Leaf<V>, key: string, sequence: number): number => {
  const { keys, values } = leaf;
  let low = 0;
  let high = keys.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const other = keys[middle] as string;
    if (other < key || (other === key && (values[middle] as V).sequence < sequence)) low = middle + 1;
    else high = middle;
  }
  return low;
};

/** The last child that may hold (key, sequence). */
const childOf = <V>(branch: Branch<V>, key: string, sequence: number): number => {
  const { lowKeys, lowSequences } = branch;
  let low = 1;
  let high = lowKeys.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const other = lowKeys[middle] as string;
    if (other < key || (other === key && (lowSequences[middle] as number) <= sequence)) low = middle + 1;
    else high = middle;
  }
  return low - 1;
};

const insertInto = <V extends Sequenced>(node: Node<V>, key: string, value: V): Split<V> | undefined => {
  if (node.isLeaf) return insertIntoLeaf(node, key, value);
  const position = childOf(node, key, value.sequence);
  const child = node.children[position] as Node<V>;
  const split = insertInto(child, key, value);
  node.counts[position] = (node.counts[position] as number) + 1;
  if (!split) return undefined;
  node.counts[position] = (node.counts[position] as number) - split.count;
  node.children.splice(position + 1, 0, split.node);
  node.counts.splice(position + 1, 0, split.count);
  node.lowKeys.splice(position + 1, 0, split.lowKey);
  node.lowSequences.splice(position + 1, 0, split.lowSequence);
  return node.children.length > MAX_NODE_SIZE ? splitBranch(node) : undefined;
};

const insertIntoLeaf = <V extends Sequenced>(leaf: Leaf<V>, key: string, value: V): Split<V> | undefined => {
  const position = positionIn(leaf, key, value.sequence);
  const isAppended = position === leaf.keys.length && leaf.next === undefined;
  leaf.keys.splice(position, 0, key);
  leaf.values.splice(position, 0, value);
  if (leaf.keys.length <= MAX_NODE_SIZE) return undefined;
  // Growing keys (object ids, dates) fill the left node instead of leaving it half empty for ever.
  const middle = isAppended ? MAX_NODE_SIZE - 4 : leaf.keys.length >>> 1;
  const right = createLeaf<V>(leaf.keys.splice(middle), leaf.values.splice(middle));
  right.previous = leaf;
  right.next = leaf.next;
  if (leaf.next) leaf.next.previous = right;
  leaf.next = right;
  return {
    node: right,
    count: right.keys.length,
    lowKey: right.keys[0] as string,
    lowSequence: (right.values[0] as V).sequence,
  };
};

const splitBranch = <V>(branch: Branch<V>): Split<V> => {
  const middle = branch.children.length >>> 1;
  const right: Branch<V> = {
    isLeaf: false,
    children: branch.children.splice(middle),
    counts: branch.counts.splice(middle),
    lowKeys: branch.lowKeys.splice(middle),
    lowSequences: branch.lowSequences.splice(middle),
  };
  return {
    node: right,
    count: countOf(right),
    lowKey: right.lowKeys[0] as string,
    lowSequence: right.lowSequences[0] as number,
  };
};

const deleteFrom = <V extends Sequenced>(node: Node<V>, key: string, sequence: number): boolean => {
  if (node.isLeaf) {
    const position = positionIn(node, key, sequence);
    if (node.keys[position] !== key || node.values[position]?.sequence !== sequence) return false;
    node.keys.splice(position, 1);
    node.values.splice(position, 1);
    return true;
  }
  const position = childOf(node, key, sequence);
  const child = node.children[position] as Node<V>;
  if (!deleteFrom(child, key, sequence)) return false;
  const count = (node.counts[position] as number) - 1;
  node.counts[position] = count;
  if (count === 0) removeChild(node, position, child);
  return true;
};

const removeChild = <V>(branch: Branch<V>, position: number, child: Node<V>): void => {
  if (child.isLeaf) {
    if (child.previous) child.previous.next = child.next;
    if (child.next) child.next.previous = child.previous;
  }
  branch.children.splice(position, 1);
  branch.counts.splice(position, 1);
  branch.lowKeys.splice(position, 1);
  branch.lowSequences.splice(position, 1);
};

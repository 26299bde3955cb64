/*
 * The nodes of a B+ tree, and searches within a node. Entries are ordered by (key, value.sequence).
 */

/** A value of the tree. `sequence` is unique among the values and orders entries with equal keys. */
export interface Sequenced {
  readonly sequence: number;
}

/** A leaf: entries, and links to its siblings. */
export interface Leaf<V> {
  readonly isLeaf: true;
  readonly keys: string[];
  readonly values: V[];
  previous: Leaf<V> | undefined;
  next: Leaf<V> | undefined;
}

/** An inner node: its children, with their counts and lower bounds. */
export interface Branch<V> {
  readonly isLeaf: false;
  readonly children: TreeNode<V>[];
  /** The number of entries below each child. */
  readonly counts: number[];
  /** The lower bound of the entries below each child; that of the first child is not used. */
  readonly lowKeys: string[];
  readonly lowSequences: number[];
}

/** A node of the tree. */
export type TreeNode<V> = Leaf<V> | Branch<V>;

/** A node with the data that its parent stores about it. */
export interface Child<V> {
  readonly node: TreeNode<V>;
  readonly count: number;
  readonly lowKey: string;
  readonly lowSequence: number;
}

/** The most entries or children of a node. */
export const MAX_NODE_SIZE = 64;

/** A leaf without siblings. */
export const createLeaf = <V>(keys: string[], values: V[]): Leaf<V> => ({
  isLeaf: true,
  keys,
  values,
  previous: undefined,
  next: undefined,
});

/** An inner node with these children. */
export const createBranch = <V>(children: readonly Child<V>[]): Branch<V> => ({
  isLeaf: false,
  children: children.map(({ node }) => node),
  counts: children.map(({ count }) => count),
  lowKeys: children.map(({ lowKey }) => lowKey),
  lowSequences: children.map(({ lowSequence }) => lowSequence),
});

/** A non-empty node with the data for its parent. */
export const toChild = <V extends Sequenced>(node: TreeNode<V>): Child<V> => ({
  node,
  count: countOf(node),
  lowKey: (node.isLeaf ? node.keys[0] : node.lowKeys[0]) as string,
  lowSequence: node.isLeaf ? (node.values[0] as V).sequence : (node.lowSequences[0] as number),
});

function countOf<V>(node: TreeNode<V>): number {
  if (node.isLeaf) return node.keys.length;
  let total = 0;
  for (const count of node.counts) total += count;
  return total;
}

/** The first position from `from` on whose key is at or after the given one. */
export function lowerBound(keys: readonly string[], key: string, from = 0): number {
  let low = from;
  let high = keys.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((keys[middle] as string) < key) low = middle + 1;
    else high = middle;
  }
  return low;
}

/*
 * Comparing keys dominates the cost of a search, so the functions below compare sequences only among equal keys.
 */

/** The position in a leaf of the first entry at or after (key, sequence). */
export function positionIn<V extends Sequenced>({ keys, values }: Leaf<V>, key: string, sequence: number): number {
  let low = lowerBound(keys, key);
  if (keys[low] !== key) return low;
  let high = keys.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (keys[middle] === key && (values[middle] as V).sequence < sequence) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** The last child that can contain (key, sequence). */
export function childOf<V>({ lowKeys, lowSequences }: Branch<V>, key: string, sequence: number): number {
  let low = lowerBound(lowKeys, key, 1);
  if (lowKeys[low] !== key) return low - 1;
  let high = lowKeys.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (lowKeys[middle] === key && (lowSequences[middle] as number) <= sequence) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

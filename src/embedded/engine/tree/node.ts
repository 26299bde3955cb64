/*
 * The nodes of an ordered index, and where in one of them an entry lies. Entries are ordered by (key, value.sequence).
 */

/** What an index points to; `sequence` is unique among the values and breaks ties between equal keys. */
export interface Sequenced {
  readonly sequence: number;
}

/** The last level: the entries, and the way to the neighbours. */
export interface Leaf<V> {
  readonly isLeaf: true;
  readonly keys: string[];
  readonly values: V[];
  previous: Leaf<V> | undefined;
  next: Leaf<V> | undefined;
}

/** A level above: what lies below each child. */
export interface Branch<V> {
  readonly isLeaf: false;
  readonly children: TreeNode<V>[];
  /** How many entries each child holds below it. */
  readonly counts: number[];
  /** The smallest entry child i may hold; the first one's is never read. */
  readonly lowKeys: string[];
  readonly lowSequences: number[];
}

/** A node of any level. */
export type TreeNode<V> = Leaf<V> | Branch<V>;

/** A node with what its parent keeps of it. */
export interface Child<V> {
  readonly node: TreeNode<V>;
  readonly count: number;
  readonly lowKey: string;
  readonly lowSequence: number;
}

/** How many entries or children a node holds before it is split. */
export const MAX_NODE_SIZE = 64;

/** A leaf without neighbours. */
export const createLeaf = <V>(keys: string[], values: V[]): Leaf<V> => ({
  isLeaf: true,
  keys,
  values,
  previous: undefined,
  next: undefined,
});

/** A branch of children in their order. */
export const createBranch = <V>(children: readonly Child<V>[]): Branch<V> => ({
  isLeaf: false,
  children: children.map(({ node }) => node),
  counts: children.map(({ count }) => count),
  lowKeys: children.map(({ lowKey }) => lowKey),
  lowSequences: children.map(({ lowSequence }) => lowSequence),
});

/** A node that is not empty, as its parent is to keep it. */
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
 * Comparing keys is what a search costs: both functions below look at sequences where a key is found equal, and only
 * there.
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

/** The last child that may hold (key, sequence). */
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

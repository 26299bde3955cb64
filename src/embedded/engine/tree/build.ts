import { createBranch, createLeaf, type Leaf, MAX_NODE_SIZE, type Sequenced, type TreeNode, toChild } from './node.js';

/** An entry for building a tree. */
export interface SortedEntry<V> {
  readonly key: string;
  readonly value: V;
}

/** The initial size of nodes. It leaves room, so that the first inserts do not split every node. */
const FILL = MAX_NODE_SIZE - 8;

/** Builds a tree from sorted entries, level by level from the leaves. */
export function buildTree<V extends Sequenced>(entries: readonly SortedEntry<V>[]): TreeNode<V> {
  let level = createLeaves(entries).map((leaf) => toChild<V>(leaf));
  while (level.length > 1) level = inGroups(level).map((children) => toChild(createBranch(children)));
  return level[0]?.node ?? createLeaf<V>([], []);
}

function createLeaves<V extends Sequenced>(entries: readonly SortedEntry<V>[]): Leaf<V>[] {
  let previous: Leaf<V> | undefined;
  return inGroups(entries).map((group) => {
    const leaf = createLeaf(
      group.map(({ key }) => key),
      group.map(({ value }) => value),
    );
    leaf.previous = previous;
    if (previous) previous.next = leaf;
    previous = leaf;
    return leaf;
  });
}

const inGroups = <T>(items: readonly T[]): T[][] =>
  Array.from({ length: Math.ceil(items.length / FILL) }, (_, group) => items.slice(group * FILL, (group + 1) * FILL));

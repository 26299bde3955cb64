import { createBranch, createLeaf, type Leaf, MAX_NODE_SIZE, type Sequenced, type TreeNode, toChild } from './node.js';

/** An entry of a tree that is to be built. */
export interface SortedEntry<V> {
  readonly key: string;
  readonly value: V;
}

/** Some room is left in each node, or the first inserts would split every one of them. */
const FILL = MAX_NODE_SIZE - 8;

/** Builds a tree from entries already in order, level by level from its leaves. */
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

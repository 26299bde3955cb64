import {
  type Branch,
  type Child,
  childOf,
  createLeaf,
  type Leaf,
  MAX_NODE_SIZE,
  positionIn,
  type Sequenced,
  type TreeNode,
  toChild,
} from './node.js';

/**
 * Inserts an entry below a node.
 * @returns the new right sibling if the node was split
 */
export function insertInto<V extends Sequenced>(node: TreeNode<V>, key: string, value: V): Child<V> | undefined {
  if (node.isLeaf) return insertIntoLeaf(node, key, value);
  const position = childOf(node, key, value.sequence);
  const split = insertInto(node.children[position] as TreeNode<V>, key, value);
  node.counts[position] = (node.counts[position] as number) + 1;
  if (!split) return undefined;
  node.counts[position] = (node.counts[position] as number) - split.count;
  node.children.splice(position + 1, 0, split.node);
  node.counts.splice(position + 1, 0, split.count);
  node.lowKeys.splice(position + 1, 0, split.lowKey);
  node.lowSequences.splice(position + 1, 0, split.lowSequence);
  return node.children.length > MAX_NODE_SIZE ? splitBranch(node) : undefined;
}

function insertIntoLeaf<V extends Sequenced>(leaf: Leaf<V>, key: string, value: V): Child<V> | undefined {
  const position = positionIn(leaf, key, value.sequence);
  const isAppended = position === leaf.keys.length && leaf.next === undefined;
  leaf.keys.splice(position, 0, key);
  leaf.values.splice(position, 0, value);
  if (leaf.keys.length <= MAX_NODE_SIZE) return undefined;
  // With ascending keys (ObjectIds, dates) the left node stays full instead of half empty.
  const middle = isAppended ? MAX_NODE_SIZE - 4 : leaf.keys.length >>> 1;
  const right = createLeaf<V>(leaf.keys.splice(middle), leaf.values.splice(middle));
  right.previous = leaf;
  right.next = leaf.next;
  if (leaf.next) leaf.next.previous = right;
  leaf.next = right;
  return toChild(right);
}

function splitBranch<V extends Sequenced>(branch: Branch<V>): Child<V> {
  const middle = branch.children.length >>> 1;
  return toChild({
    isLeaf: false,
    children: branch.children.splice(middle),
    counts: branch.counts.splice(middle),
    lowKeys: branch.lowKeys.splice(middle),
    lowSequences: branch.lowSequences.splice(middle),
  });
}

/**
 * Deletes an entry below a node, and removes nodes that become empty.
 * @returns whether the entry existed
 */
export function deleteFrom<V extends Sequenced>(node: TreeNode<V>, key: string, sequence: number): boolean {
  if (node.isLeaf) return deleteFromLeaf(node, key, sequence);
  const position = childOf(node, key, sequence);
  const child = node.children[position] as TreeNode<V>;
  if (!deleteFrom(child, key, sequence)) return false;
  const count = (node.counts[position] as number) - 1;
  node.counts[position] = count;
  if (count === 0) removeChild(node, position, child);
  return true;
}

function deleteFromLeaf<V extends Sequenced>(leaf: Leaf<V>, key: string, sequence: number): boolean {
  const position = positionIn(leaf, key, sequence);
  if (leaf.keys[position] !== key || leaf.values[position]?.sequence !== sequence) return false;
  leaf.keys.splice(position, 1);
  leaf.values.splice(position, 1);
  return true;
}

function removeChild<V>(branch: Branch<V>, position: number, child: TreeNode<V>): void {
  if (child.isLeaf) {
    if (child.previous) child.previous.next = child.next;
    if (child.next) child.next.previous = child.previous;
  }
  branch.children.splice(position, 1);
  branch.counts.splice(position, 1);
  branch.lowKeys.splice(position, 1);
  branch.lowSequences.splice(position, 1);
}

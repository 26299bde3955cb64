import { toPath } from '../../bson/path.js';
import { fail } from '../../errors.js';
import { type Evaluate, ensureFieldNames } from '../expressions/compiler.js';

/** The action of a projection at the end of a path. */
export type ProjectionLeaf =
  | { readonly kind: 'include' }
  | { readonly kind: 'exclude' }
  | { readonly kind: 'compute'; readonly evaluate: Evaluate };

/** The paths of a projection as a tree. */
export interface ProjectionTree {
  readonly children: Map<string, ProjectionTree | ProjectionLeaf>;
}

/** A path of the specification with its action. */
export interface ProjectionEntry {
  readonly path: string;
  readonly leaf: ProjectionLeaf;
}

/** Whether a node has children, and is not the end of a path. */
export const isTree = (node: ProjectionTree | ProjectionLeaf): node is ProjectionTree => 'children' in node;

/**
 * Builds the tree of all paths.
 * @throws DatabaseError Location31249 or Location31250 for paths that collide
 */
export function toTree(entries: readonly ProjectionEntry[]): ProjectionTree {
  const tree: ProjectionTree = { children: new Map() };
  for (const { path, leaf } of entries) setLeaf(tree, path, leaf);
  return tree;
}

function setLeaf(tree: ProjectionTree, path: string, leaf: ProjectionLeaf): void {
  const segments = toPath(path);
  ensureFieldNames(segments);
  let node = tree;
  for (const [index, segment] of segments.entries()) {
    const existing = node.children.get(segment);
    if (index === segments.length - 1) {
      if (existing !== undefined) fail('Location31250', `Path collision at ${path}`);
      node.children.set(segment, leaf);
      return;
    }
    if (existing !== undefined && !isTree(existing)) {
      fail('Location31249', `Path collision at ${path} remaining portion ${segments.slice(index + 1).join('.')}`);
    }
    node = childTree(node, segment);
  }
}

function childTree(parent: ProjectionTree, segment: string): ProjectionTree {
  const existing = parent.children.get(segment);
  if (existing !== undefined && isTree(existing)) return existing;
  const child: ProjectionTree = { children: new Map() };
  parent.children.set(segment, child);
  return child;
}

/** Includes a path unless the tree has an action for it already. */
export function include(tree: ProjectionTree, path: string): void {
  const segments = toPath(path);
  let node = tree;
  for (const [index, segment] of segments.entries()) {
    const existing = node.children.get(segment);
    if (existing !== undefined && !isTree(existing)) return;
    if (index < segments.length - 1) node = childTree(node, segment);
    else if (existing === undefined) node.children.set(segment, { kind: 'include' });
  }
}

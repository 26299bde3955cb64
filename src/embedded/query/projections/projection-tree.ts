import { toPath } from '../../bson/path.js';
import { fail } from '../../errors.js';
import type { Evaluate } from '../expressions/compiler.js';

/** What a projection does at the end of a path. */
export type ProjectionLeaf =
  | { readonly kind: 'include' }
  | { readonly kind: 'exclude' }
  | { readonly kind: 'compute'; readonly evaluate: Evaluate };

/** A projection as a tree of its paths. */
export interface ProjectionTree {
  readonly children: Map<string, ProjectionTree | ProjectionLeaf>;
}

/** A path of the specification with what is to be done there. */
export interface ProjectionEntry {
  readonly path: string;
  readonly leaf: ProjectionLeaf;
}

/** Whether there are paths below, and not the end of one. */
export const isTree = (node: ProjectionTree | ProjectionLeaf): node is ProjectionTree => 'children' in node;

/**
 * The tree of all paths.
 * @throws DatabaseError for paths that collide (31249, 31250)
 */
export function toTree(entries: readonly ProjectionEntry[]): ProjectionTree {
  const tree: ProjectionTree = { children: new Map() };
  for (const { path, leaf } of entries) setLeaf(tree, path, leaf);
  return tree;
}

function setLeaf(tree: ProjectionTree, path: string, leaf: ProjectionLeaf): void {
  const segments = toPath(path);
  let node = tree;
  for (const [index, segment] of segments.entries()) {
    if (segment === '') fail('Location15998', 'FieldPath field names may not be empty strings.');
    if (segment.startsWith('$'))
      fail('Location16410', `FieldPath field names may not start with '$'. Consider using $getField or $setField.`);
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

/** Adds an inclusion where the tree does not have one. */
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

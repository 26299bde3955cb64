import { type Document, fieldOf, isDocument, setField } from '../../bson/values.js';
import { scopeOf } from '../expressions/compiler.js';
import { isTree, type ProjectionTree } from './projection-tree.js';

/** Keeps the included fields in the order of the document, then appends the computed fields in the order of the tree. */
export function applyInclusion(tree: ProjectionTree, document: Document, root: Document): Document {
  const result: Document = {};
  if (root === document && tree.children.has('_id'))
    projectField({ tree, result, root }, '_id', fieldOf(document, '_id'));
  for (const key of Object.keys(document)) {
    if (root !== document || key !== '_id') projectField({ tree, result, root }, key, document[key]);
  }
  for (const [key, node] of tree.children) {
    if (isTree(node) && hasComputed(node) && !Object.hasOwn(document, key)) {
      setField(result, key, applyInclusion(node, {}, root));
    }
    if (!isTree(node) && node.kind === 'compute') {
      const value = node.evaluate(scopeOf(root));
      if (value !== undefined) setField(result, key, value);
      else delete result[key];
    }
  }
  return result;
}

interface Projecting {
  readonly tree: ProjectionTree;
  readonly result: Document;
  readonly root: Document;
}

function projectField({ tree, result, root }: Projecting, key: string, value: unknown): void {
  const node = tree.children.get(key);
  if (node === undefined || value === undefined) return;
  if (!isTree(node)) {
    if (node.kind === 'include') setField(result, key, value);
    return;
  }
  const projected = includeValue(node, value, root);
  if (projected !== undefined) setField(result, key, projected);
}

function includeValue(tree: ProjectionTree, value: unknown, root: Document): unknown {
  if (isDocument(value)) return applyInclusion(tree, value, root);
  if (Array.isArray(value)) {
    return value.map((element) => includeValue(tree, element, root)).filter((element) => element !== undefined);
  }
  // A computed field replaces a value that cannot contain it.
  return hasComputed(tree) ? applyInclusion(tree, {}, root) : undefined;
}

function hasComputed(tree: ProjectionTree): boolean {
  for (const node of tree.children.values())
    if (isTree(node) ? hasComputed(node) : node.kind === 'compute') return true;
  return false;
}

/** Removes the excluded fields. */
export function applyExclusion(tree: ProjectionTree, document: Document): Document {
  const result: Document = {};
  for (const key of Object.keys(document)) {
    const node = tree.children.get(key);
    if (node === undefined) setField(result, key, document[key]);
    else if (isTree(node)) setField(result, key, excludeValue(node, document[key]));
  }
  return result;
}

function excludeValue(tree: ProjectionTree, value: unknown): unknown {
  if (isDocument(value)) return applyExclusion(tree, value);
  return Array.isArray(value) ? value.map((element) => excludeValue(tree, element)) : value;
}

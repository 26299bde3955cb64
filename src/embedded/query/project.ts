import { compile, type Evaluate, type ExpressionContext, scopeOf } from '../aggregate/compile.js';
import { createExpressionContext } from '../aggregate/expressions.js';
import type { Collation } from '../bson/collation.js';
import { toPath } from '../bson/path.js';
import { type Document, fieldOf, isDocument, isNumeric, setField } from '../bson/values.js';
import { fail } from '../errors.js';
import { isTruthy } from './element-operators.js';
import type { Matcher } from './match.js';
import { compileElemMatchProjection, compilePositional, compileSlice, type Transform } from './project-arrays.js';

/** Makes the document a client sees of a stored one, which stays as it is. */
export type Projection = (document: Document) => Document;

export interface ProjectionOptions {
  /** The query's filter, which the positional `$` refers to. */
  readonly matcher?: Matcher | undefined;
  readonly collation?: Collation | undefined;
  readonly variables?: Document | undefined;
  readonly now?: Date | undefined;
  /** A `find`'s projection knows `$slice`, `$elemMatch` and `$`; the stage `$project` does not. */
  readonly kind?: 'find' | 'stage';
}

/** What a projection does at a path. */
type Leaf =
  | { readonly kind: 'include' }
  | { readonly kind: 'exclude' }
  | { readonly kind: 'compute'; readonly evaluate: Evaluate };

/** A projection as a tree of its paths. */
export interface ProjectionTree {
  readonly children: Map<string, ProjectionTree | Leaf>;
}

/** A field of the specification, nested documents taken apart. */
interface Entry {
  readonly path: string;
  readonly leaf: Leaf;
}

const isTree = (node: ProjectionTree | Leaf): node is ProjectionTree => 'children' in node;

/**
 * Compiles a projection once, to apply to many documents.
 * @throws DatabaseError for a mixture of inclusion and exclusion (31253, 31254) or paths that collide (31249, 31250)
 */
export const compileProjection = (specification: Document, options: ProjectionOptions = {}): Projection => {
  if (Object.keys(specification).length === 0) {
    if (options.kind === 'stage')
      fail('Location51272', 'Invalid $project :: caused by :: projection specification must have at least one field');
    return (document) => document;
  }
  const reader: Reader = {
    options,
    context: createExpressionContext(options),
    entries: [],
    transforms: [],
  };
  for (const [path, value] of Object.entries(specification)) readEntry(path, value, reader);
  return build(reader);
};

interface Reader {
  readonly options: ProjectionOptions;
  readonly context: ExpressionContext;
  readonly entries: Entry[];
  readonly transforms: { readonly path: string; readonly transform: Transform; readonly includes: boolean }[];
}

const readEntry = (path: string, value: unknown, reader: Reader): void => {
  if (path === '') fail('Location40352', 'FieldPath cannot be constructed with empty string');
  if (isPositional(path, reader)) {
    readPositional(path, reader);
    return;
  }
  if (path.startsWith('$'))
    fail('Location16410', `FieldPath field names may not start with '$'. Consider using $getField or $setField.`);
  if (isNumeric(value) || typeof value === 'boolean') {
    reader.entries.push({ path, leaf: { kind: isTruthy(value) ? 'include' : 'exclude' } });
  } else if (isDocument(value)) {
    readDocument(path, value, reader);
  } else {
    reader.entries.push({ path, leaf: { kind: 'compute', evaluate: compile(value, reader.context) } });
  }
};

const isPositional = (path: string, { options }: Reader): boolean => options.kind !== 'stage' && path.endsWith('.$');

const readPositional = (positional: string, { entries, transforms, options }: Reader): void => {
  const path = positional.slice(0, -2);
  if (transforms.some(({ includes }) => includes)) {
    fail('Location31276', 'Cannot specify more than one positional projection per query.');
  }
  entries.push({ path, leaf: { kind: 'include' } });
  transforms.push({ path, transform: compilePositional(options.matcher), includes: true });
};

const readDocument = (path: string, value: Document, reader: Reader): void => {
  const keys = Object.keys(value);
  const [operator] = keys;
  if (operator === undefined)
    fail('Location51270', `An empty sub-projection is not a valid value. Found empty object at path`);
  if (operator?.startsWith('$') !== true) {
    for (const key of keys) readEntry(`${path}.${key}`, value[key], reader);
    return;
  }
  const isFind = reader.options.kind !== 'stage';
  if (isFind && operator === '$slice' && !isSliceExpression(value[operator])) {
    reader.transforms.push({ path, transform: compileSlice(value[operator]), includes: false });
  } else if (isFind && operator === '$elemMatch') {
    if (path.includes('.')) fail('Location31275', 'Cannot use $elemMatch projection on a nested field.');
    const transform = compileElemMatchProjection(value[operator], reader.options);
    reader.entries.push({ path, leaf: { kind: 'include' } });
    reader.transforms.push({ path, transform, includes: false });
  } else if (operator === '$meta') {
    fail('CommandNotSupported', '$meta in a projection is not supported by this database');
  } else {
    reader.entries.push({ path, leaf: { kind: 'compute', evaluate: compile(value, reader.context) } });
  }
};

/** `$slice` of an expression has the array as its first argument. */
const isSliceExpression = (operand: unknown): boolean =>
  Array.isArray(operand) && (operand.length === 3 || (operand.length === 2 && !isNumeric(operand[0])));

const build = (reader: Reader): Projection => {
  const isInclusion = decideInclusion(reader.entries);
  const tree = toTree(
    reader.entries.filter(({ path, leaf }) => path !== '_id' || leaf.kind === 'compute' || !isInclusion),
  );
  const paths = reader.transforms.filter(({ includes }) => !includes).map(({ path }) => path);
  const keepsId = reader.entries.find(({ path }) => path === '_id')?.leaf.kind !== 'exclude';
  if (isInclusion) {
    if (keepsId && !tree.children.has('_id')) tree.children.set('_id', { kind: 'include' });
    for (const path of paths) include(tree, path);
  }
  const shape = isInclusion
    ? (document: Document) => applyInclusion(tree, document, document)
    : (document: Document) => applyExclusion(tree, document);
  const transforms = reader.transforms.map(({ path, transform }) => ({ path: toPath(path), transform }));
  if (transforms.length === 0) return shape;
  return (document) =>
    transforms.reduce((result, { path, transform }) => transform({ result, path, document }), shape(document));
};

/** Computed fields alone make an inclusion; `_id` alone decides only where nothing else does. */
const decideInclusion = (entries: readonly Entry[]): boolean => {
  let decided: 'include' | 'exclude' | undefined;
  for (const { path, leaf } of entries) {
    if (path === '_id' && leaf.kind !== 'compute') continue;
    const kind = leaf.kind === 'exclude' ? 'exclude' : 'include';
    if (decided !== undefined && decided !== kind) {
      if (leaf.kind === 'compute')
        fail('Location31252', `Cannot use expression other than $meta in exclusion projection`);
      fail(
        kind === 'include' ? 'Location31253' : 'Location31254',
        `Invalid projection :: caused by :: Cannot do ${kind === 'include' ? 'inclusion' : 'exclusion'} on field ${path} in ${decided === 'include' ? 'inclusion' : 'exclusion'} projection`,
      );
    }
    decided = kind;
  }
  if (decided !== undefined) return decided === 'include';
  const id = entries.find(({ path }) => path === '_id');
  return id !== undefined && id.leaf.kind === 'include';
};

const toTree = (entries: readonly Entry[]): ProjectionTree => {
  const tree: ProjectionTree = { children: new Map() };
  for (const { path, leaf } of entries) setLeaf(tree, path, leaf);
  return tree;
};

const setLeaf = (tree: ProjectionTree, path: string, leaf: Leaf): void => {
  const segments = toPath(path);
  let node = tree;
  for (const [index, segment] of segments.entries()) {
    if (segment === '') fail('Location15998', 'FieldPath field names may not be empty strings.');
    if (segment.startsWith('$'))
      fail('Location16410', `FieldPath field names may not start with '$'. Consider using $getField or $setField.`);
    const existing = node.children.get(segment);
    const rest = segments.slice(index + 1).join('.');
    if (rest === '') {
      if (existing !== undefined) fail('Location31250', `Path collision at ${path}`);
      node.children.set(segment, leaf);
      return;
    }
    if (existing !== undefined && !isTree(existing)) {
      fail('Location31249', `Path collision at ${path} remaining portion ${rest}`);
    }
    node = childTree(node, segment);
  }
};

const childTree = (parent: ProjectionTree, segment: string): ProjectionTree => {
  const existing = parent.children.get(segment);
  if (existing !== undefined && isTree(existing)) return existing;
  const child: ProjectionTree = { children: new Map() };
  parent.children.set(segment, child);
  return child;
};

/** Adds an inclusion where the tree does not have one. */
const include = (tree: ProjectionTree, path: string): void => {
  const segments = toPath(path);
  let node = tree;
  for (const [index, segment] of segments.entries()) {
    const existing = node.children.get(segment);
    if (existing !== undefined && !isTree(existing)) return;
    if (index < segments.length - 1) node = childTree(node, segment);
    else if (existing === undefined) node.children.set(segment, { kind: 'include' });
  }
};

/** Keeps what the tree includes in the document's order, then appends what it computes in the tree's order. */
const applyInclusion = (tree: ProjectionTree, document: Document, root: Document): Document => {
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
};

interface Projecting {
  readonly tree: ProjectionTree;
  readonly result: Document;
  readonly root: Document;
}

const projectField = ({ tree, result, root }: Projecting, key: string, value: unknown): void => {
  const node = tree.children.get(key);
  if (node === undefined || value === undefined) return;
  if (!isTree(node)) {
    if (node.kind === 'include') setField(result, key, value);
    return;
  }
  const projected = includeValue(node, value, root);
  if (projected !== undefined) setField(result, key, projected);
};

const includeValue = (tree: ProjectionTree, value: unknown, root: Document): unknown => {
  if (isDocument(value)) return applyInclusion(tree, value, root);
  if (Array.isArray(value)) {
    return value.map((element) => includeValue(tree, element, root)).filter((element) => element !== undefined);
  }
  // A computed field replaces what cannot hold it.
  return hasComputed(tree) ? applyInclusion(tree, {}, root) : undefined;
};

const hasComputed = (tree: ProjectionTree): boolean => {
  for (const node of tree.children.values())
    if (isTree(node) ? hasComputed(node) : node.kind === 'compute') return true;
  return false;
};

const applyExclusion = (tree: ProjectionTree, document: Document): Document => {
  const result: Document = {};
  for (const key of Object.keys(document)) {
    const node = tree.children.get(key);
    if (node === undefined) setField(result, key, document[key]);
    else if (isTree(node)) setField(result, key, excludeValue(node, document[key]));
  }
  return result;
};

const excludeValue = (tree: ProjectionTree, value: unknown): unknown => {
  if (isDocument(value)) return applyExclusion(tree, value);
  return Array.isArray(value) ? value.map((element) => excludeValue(tree, element)) : value;
};

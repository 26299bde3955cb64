import type { Collation } from '../../bson/collation.js';
import { toPath } from '../../bson/path.js';
import { type Document, isDocument, isNumeric } from '../../bson/values.js';
import { fail } from '../../errors.js';
import { compile, type ExpressionContext } from '../expressions/compiler.js';
import { createExpressionContext } from '../expressions/expression.js';
import type { Matcher } from '../filters/filter.js';
import { isTruthy } from '../truthiness.js';
import { compileElemMatchProjection, compilePositional, compileSlice, type Transform } from './array-projection.js';
import { applyExclusion, applyInclusion } from './field-projection.js';
import { include, type ProjectionEntry, toTree } from './projection-tree.js';

/** Computes the projected document. The stored document is not modified. */
export type Projection = (document: Document) => Document;

/** The context of a projection. */
export interface ProjectionOptions {
  /** The filter of the query, for the positional `$`. */
  readonly matcher?: Matcher | undefined;
  readonly collation?: Collation | undefined;
  readonly variables?: Document | undefined;
  readonly now?: Date | undefined;
  /** The projection of `find` supports `$slice`, `$elemMatch` and `$`; the stage `$project` does not. */
  readonly kind?: 'find' | 'stage';
}

/**
 * Compiles a projection.
 * @throws DatabaseError Location31253 or Location31254 when it mixes inclusion and exclusion, Location31249 or
 *   Location31250 for paths that collide
 */
export function compileProjection(specification: Document, options: ProjectionOptions = {}): Projection {
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
}

interface Reader {
  readonly options: ProjectionOptions;
  readonly context: ExpressionContext;
  readonly entries: ProjectionEntry[];
  readonly transforms: { readonly path: string; readonly transform: Transform; readonly includes: boolean }[];
}

function readEntry(path: string, value: unknown, reader: Reader): void {
  if (path === '') fail('Location40352', 'FieldPath cannot be constructed with empty string');
  if (path.includes('.$.')) {
    fail('Location31394', "As of 4.4, it's illegal to specify positional operator in the middle of a path.");
  }
  if (path.endsWith('.$')) {
    readPositional(path, value, reader);
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
}

function readPositional(positional: string, value: unknown, { entries, transforms, options }: Reader): void {
  if (options.kind === 'stage') fail('Location31324', 'Cannot use positional projection in aggregation projection');
  if (!isTruthy(value)) fail('Location31395', 'positional projection cannot be used with exclusion');
  const path = positional.slice(0, -2);
  if (transforms.some(({ includes }) => includes)) {
    fail('Location31276', 'Cannot specify more than one positional projection per query.');
  }
  entries.push({ path, leaf: { kind: 'include' } });
  transforms.push({ path, transform: compilePositional(options.matcher), includes: true });
}

function readDocument(path: string, value: Document, reader: Reader): void {
  const keys = Object.keys(value);
  const [operator] = keys;
  if (operator === undefined)
    fail('Location51270', 'An empty sub-projection is not a valid value. Found empty object at path');
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
}

/** Whether `$slice` is the expression, which has the array as its first argument. */
const isSliceExpression = (operand: unknown): boolean =>
  Array.isArray(operand) && (operand.length === 3 || (operand.length === 2 && !isNumeric(operand[0])));

function build(reader: Reader): Projection {
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
}

/** Whether a projection includes fields. Computed fields alone make an inclusion; `_id` decides only when it is alone. */
function decideInclusion(entries: readonly ProjectionEntry[]): boolean {
  let decided: 'include' | 'exclude' | undefined;
  for (const { path, leaf } of entries) {
    if (path === '_id' && leaf.kind !== 'compute') continue;
    const kind = leaf.kind === 'exclude' ? 'exclude' : 'include';
    if (decided !== undefined && decided !== kind) failOnMixture(decided, { path, leaf });
    decided = kind;
  }
  if (decided !== undefined) return decided === 'include';
  const id = entries.find(({ path }) => path === '_id');
  return id !== undefined && id.leaf.kind === 'include';
}

function failOnMixture(decided: 'include' | 'exclude', { path, leaf }: ProjectionEntry): never {
  if (leaf.kind === 'compute') {
    return fail('Location31252', 'Cannot use expression other than $meta in exclusion projection');
  }
  const [code, wanted, present] =
    decided === 'exclude'
      ? (['Location31253', 'inclusion', 'exclusion'] as const)
      : (['Location31254', 'exclusion', 'inclusion'] as const);
  return fail(code, `Invalid projection :: caused by :: Cannot do ${wanted} on field ${path} in ${present} projection`);
}

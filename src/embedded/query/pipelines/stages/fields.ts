import { type Document, fieldOf, isDocument, setField, typeOf } from '../../../bson/values.js';
import { fail } from '../../../errors.js';
import { compile, type Evaluate, ensureFieldNames, REDACT, type Scope, scopeOf } from '../../expressions/compiler.js';
import { compileProjection } from '../../projections/projection.js';
import { mapping, type StageCompiler, type StageContext, type StageEntry } from '../stage-context.js';

const compileProjectStage: StageCompiler = (specification, { collation, variables, now }) => {
  if (!isDocument(specification)) return fail('Location15969', '$project specification must be an object');
  return mapping(compileProjection(specification, { collation, variables, now, kind: 'stage' }));
};

const compileUnset: StageCompiler = (specification, { collation }) => {
  if (typeof specification !== 'string' && !Array.isArray(specification)) {
    return fail('Location31002', '$unset specification must be a string or an array');
  }
  const fields = [specification].flat();
  if (fields.length === 0)
    return fail('Location31119', '$unset specification must be a string or an array with at least one field');
  const exclusions: Document = {};
  for (const field of fields) {
    if (typeof field !== 'string')
      return fail('Location31120', '$unset specification must be a string or an array containing only string values');
    if (Object.hasOwn(exclusions, field)) fail('Location31250', `Path collision at ${field}`);
    exclusions[field] = false;
  }
  return mapping(compileProjection(exclusions, { collation, kind: 'stage' }));
};

/** Computed fields by the segments of their paths. */
type FieldTree = Map<string, FieldTree | Evaluate>;

function toFieldTree(specification: Document, context: StageContext): FieldTree {
  const tree: FieldTree = new Map();
  for (const [path, value] of Object.entries(specification)) addField(tree, { path, value }, context);
  return tree;
}

function addField(tree: FieldTree, { path, value }: { path: string; value: unknown }, context: StageContext): void {
  if (path === '') fail('Location40352', 'FieldPath cannot be constructed with empty string');
  const segments = path.split('.');
  ensureFieldNames(segments);
  let node = tree;
  for (const [index, segment] of segments.entries()) {
    const existing = node.get(segment);
    const isLast = index === segments.length - 1;
    if (typeof existing === 'function' || (isLast && existing !== undefined)) {
      fail('Location40176', `specification contains two conflicting paths. Cannot specify '${path}' and a part of it`);
    }
    if (!isLast) {
      const next: FieldTree = existing ?? new Map();
      node.set(segment, next);
      node = next;
    } else if (isNested(value)) {
      const next: FieldTree = new Map();
      node.set(segment, next);
      for (const [key, inner] of Object.entries(value)) addField(next, { path: key, value: inner }, context);
    } else {
      node.set(segment, compile(value, context.expressions));
    }
  }
}

function isNested(value: unknown): value is Document {
  const [first] = isDocument(value) ? Object.keys(value) : [];
  return first !== undefined && !first.startsWith('$');
}

function applyFields(tree: FieldTree, target: Document, scope: Scope): Document {
  const result = { ...target };
  for (const [key, node] of tree) {
    const value = typeof node === 'function' ? node(scope) : applyInside(node, fieldOf(target, key), scope);
    if (value === undefined) delete result[key];
    else setField(result, key, value);
  }
  return result;
}

/** Sets fields below a value: in each element of an array; other values are replaced by a document. */
function applyInside(tree: FieldTree, value: unknown, scope: Scope): unknown {
  if (Array.isArray(value)) return value.map((element) => applyInside(tree, element, scope));
  return applyFields(tree, isDocument(value) ? value : {}, scope);
}

/** Compiles `$addFields` to a function of one document. */
export function compileFieldTree(specification: Document, context: StageContext): (document: Document) => Document {
  const tree = toFieldTree(specification, context);
  return (document) => applyFields(tree, document, scopeOf(document));
}

const compileAddFields: StageCompiler = (specification, context) => {
  if (!isDocument(specification)) {
    return fail('Location40272', `$addFields specification stage must be an object, got ${typeOf(specification)}`);
  }
  return mapping(compileFieldTree(specification, context));
};

function compileReplace(name: '$replaceRoot' | '$replaceWith'): StageCompiler {
  return function compileSpecification(specification, { expressions }) {
    const isRoot = name === '$replaceRoot';
    if (isRoot && !isDocument(specification))
      return fail('Location40229', 'expected an object as specification for $replaceRoot stage');
    const unknown = isRoot ? Object.keys(specification as Document).find((key) => key !== 'newRoot') : undefined;
    if (unknown !== undefined)
      return fail(
        'Location40230',
        `unrecognized option to $replaceRoot stage: ${unknown}, only valid option is 'newRoot'.`,
      );
    if (isRoot && !Object.hasOwn(specification as Document, 'newRoot')) {
      return fail('Location40231', 'no newRoot specified for the $replaceRoot stage');
    }
    const evaluate = compile(isRoot ? (specification as Document)['newRoot'] : specification, expressions);
    return mapping((document) => {
      const root = evaluate(scopeOf(document));
      if (isDocument(root)) return root;
      return fail(
        'Location40228',
        `PlanExecutor error during aggregation :: caused by :: '${isRoot ? 'newRoot' : 'replacement document'}' expression must evaluate to an object, but resulting value was of type: ${typeOf(root)}`,
      );
    });
  };
}

const compileRedact: StageCompiler = (specification, { expressions }) => {
  const verdict = compile(specification, expressions);
  const redact = (current: Document, root: Document): Document | undefined => {
    const decided = verdict({ current, root, binding: undefined });
    if (decided === REDACT.KEEP) return current;
    if (decided === REDACT.PRUNE) return undefined;
    if (decided !== REDACT.DESCEND) {
      return fail(
        'Location17053',
        "$redact's expression should not return anything aside from the variables $$KEEP, $$DESCEND, and $$PRUNE",
      );
    }
    const result: Document = {};
    for (const [key, value] of Object.entries(current)) {
      const kept = redactValue(value, root);
      if (kept !== undefined) setField(result, key, kept);
    }
    return result;
  };
  const redactValue = (value: unknown, root: Document): unknown => {
    if (isDocument(value)) return redact(value, root);
    if (!Array.isArray(value)) return value;
    return value.map((element) => redactValue(element, root)).filter((element) => element !== undefined);
  };
  return function* runRedact(input) {
    for (const document of input) {
      const kept = redact(document, document);
      if (kept !== undefined) yield kept;
    }
  };
};

/** Stages that change the fields of each document. */
export const fieldStages: readonly StageEntry[] = [
  ['$project', compileProjectStage],
  ['$addFields', compileAddFields],
  ['$set', compileAddFields],
  ['$unset', compileUnset],
  ['$replaceRoot', compileReplace('$replaceRoot')],
  ['$replaceWith', compileReplace('$replaceWith')],
  ['$redact', compileRedact],
];

import { Long } from 'bson';
import { toPath } from '../../../bson/path.js';
import { type Document, fieldOf, isDocument, typeOf } from '../../../bson/values.js';
import { fail } from '../../../errors.js';
import { createDraft } from '../../draft.js';
import { ensureFieldNames } from '../../expressions/compiler.js';
import type { StageCompiler, StageEntry } from '../stage-context.js';

interface UnwindOptions {
  readonly path: readonly string[];
  readonly indexField: readonly string[] | undefined;
  readonly keepsEmpty: boolean;
}

function readOptions(specification: unknown): UnwindOptions {
  const options: Document = typeof specification === 'string' ? { path: specification } : (specification as Document);
  if (!isDocument(options)) {
    return fail(
      'Location15981',
      `expected either a string or an object as specification for $unwind stage, got ${typeOf(specification)}`,
    );
  }
  const { path, includeArrayIndex, preserveNullAndEmptyArrays = false, ...others } = options;
  const [unknown] = Object.keys(others);
  if (unknown !== undefined) fail('Location28811', `unrecognized option to $unwind stage: ${unknown}`);
  if (path === undefined) return fail('Location28812', 'no path specified to $unwind stage');
  if (typeof path !== 'string')
    return fail('Location28808', `expected a string as the path for $unwind stage, got ${typeOf(path)}`);
  if (!path.startsWith('$'))
    return fail('Location28818', `path option to $unwind stage should be prefixed with a '$': ${path}`);
  if (path === '$') return fail('Location40352', 'FieldPath cannot be constructed with empty string');
  ensureFieldNames(toPath(path.slice(1)));
  if (typeof preserveNullAndEmptyArrays !== 'boolean') {
    return fail('Location28809', 'expected a boolean for the preserveNullAndEmptyArrays option to $unwind stage');
  }
  if (includeArrayIndex !== undefined && (typeof includeArrayIndex !== 'string' || includeArrayIndex === '')) {
    return fail('Location28810', 'expected a non-empty string for the includeArrayIndex  option to $unwind stage');
  }
  if (typeof includeArrayIndex === 'string' && includeArrayIndex.startsWith('$'))
    return fail('Location28822', `includeArrayIndex option to $unwind stage should not be prefixed with a '$'`);
  return {
    path: toPath(path.slice(1)),
    indexField: includeArrayIndex === undefined ? undefined : toPath(includeArrayIndex as string),
    keepsEmpty: preserveNullAndEmptyArrays,
  };
}

/** The value at a path through embedded documents, not through arrays. */
function valueAt(document: Document, path: readonly string[]): unknown {
  let value: unknown = document;
  for (const name of path) {
    if (!isDocument(value)) return undefined;
    value = fieldOf(value, name);
  }
  return value;
}

const compileUnwind: StageCompiler = (specification) => {
  const { path, indexField, keepsEmpty } = readOptions(specification);
  const withElement = (document: Document, element: unknown, index: number | undefined): Document => {
    const draft = createDraft(document);
    if (element === undefined) draft.remove(path);
    else draft.set(path, element);
    if (indexField !== undefined) draft.set(indexField, index === undefined ? null : Long.fromNumber(index));
    return draft.document;
  };
  function* unwind(document: Document): Generator<Document> {
    const value = valueAt(document, path);
    if (value === null || value === undefined || (Array.isArray(value) && value.length === 0)) {
      if (keepsEmpty) yield withElement(document, value === null ? null : undefined, undefined);
    } else if (Array.isArray(value)) {
      for (const [index, element] of value.entries()) yield withElement(document, element, index);
    } else {
      yield withElement(document, value, undefined);
    }
  }
  return function* runUnwind(input) {
    for (const document of input) yield* unwind(document);
  };
};

/** `$unwind`. */
export const unwindStages: readonly StageEntry[] = [['$unwind', compileUnwind]];

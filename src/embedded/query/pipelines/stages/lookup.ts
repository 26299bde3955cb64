import { toKeyString } from '../../../bson/key-string.js';
import { toPath, walkPath } from '../../../bson/path.js';
import { type Document, isDocument } from '../../../bson/values.js';
import { fail } from '../../../errors.js';
import { createDraft } from '../../draft.js';
import { compile, type Evaluate, ensureFieldNames, scopeOf } from '../../expressions/compiler.js';
import { ensureName } from '../../expressions/operators/variable.js';
import { isRegExp } from '../../regular-expression.js';
import type {
  AggregateCollection,
  Documents,
  Stage,
  StageCompiler,
  StageContext,
  StageEntry,
} from '../stage-context.js';
import { pushDownEqualities } from './lookup-pushdown.js';

interface LookupOptions {
  readonly from: string | undefined;
  readonly as: readonly string[];
  readonly localField: readonly string[] | undefined;
  readonly foreignField: readonly string[] | undefined;
  readonly variables: readonly (readonly [string, Evaluate])[];
  readonly pipeline: readonly Document[] | undefined;
}

const KNOWN: ReadonlySet<string> = new Set(['from', 'as', 'localField', 'foreignField', 'let', 'pipeline']);

function toFieldPath(text: string): readonly string[] {
  const path = toPath(text);
  ensureFieldNames(path);
  return path;
}

function readOptions(specification: unknown, context: StageContext): LookupOptions {
  if (!isDocument(specification)) return fail('FailedToParse', 'the $lookup specification must be an Object');
  for (const key of Object.keys(specification)) {
    if (!KNOWN.has(key)) fail('FailedToParse', `unknown argument to $lookup: ${key}`);
  }
  const { from, as, localField, foreignField, pipeline } = specification;
  for (const [name, value] of Object.entries({ from, as, localField, foreignField })) {
    if (value !== undefined && typeof value !== 'string') {
      fail('FailedToParse', `$lookup argument '${name}' must be a string, is type ${typeof value}`);
    }
  }
  if (as === undefined) return fail('FailedToParse', "must specify 'as' field for a $lookup");
  if ((localField === undefined) !== (foreignField === undefined)) {
    return fail('FailedToParse', "$lookup requires both or neither of 'localField' and 'foreignField' to be specified");
  }
  if (pipeline === undefined && localField === undefined) {
    return fail(
      'FailedToParse',
      "$lookup requires either 'pipeline' or both 'localField' and 'foreignField' to be specified",
    );
  }
  if (pipeline !== undefined && !Array.isArray(pipeline))
    return fail('TypeMismatch', "'pipeline' option must be specified as an array");
  if (from === undefined && pipeline === undefined)
    return fail('FailedToParse', "missing 'from' option to $lookup stage specification");
  return {
    from: from as string | undefined,
    as: toFieldPath(as as string),
    localField: localField === undefined ? undefined : toFieldPath(localField as string),
    foreignField: foreignField === undefined ? undefined : toFieldPath(foreignField as string),
    variables: readVariables(specification['let'], context),
    pipeline: pipeline as Document[] | undefined,
  };
}

function readVariables(variables: unknown, context: StageContext): LookupOptions['variables'] {
  if (variables === undefined) return [];
  if (!isDocument(variables)) return fail('FailedToParse', "$lookup argument 'let' must be an object");
  return Object.entries(variables).map(([name, value]) => [ensureName(name), compile(value, context.expressions)]);
}

/** The number of documents that share one read of the other collection. */
const BATCH = 1000;

const NOTHING: AggregateCollection = { find: () => [], indexes: () => [], statistics: () => ({}) };

const compileLookup: StageCompiler = (specification, context) => {
  const options = readOptions(specification, context);
  // Reports errors in the inner pipeline when the command is compiled.
  if (options.pipeline !== undefined) {
    context.compileInner(options.pipeline, Object.fromEntries(options.variables.map(([name]) => [name, null])));
  }
  const stage: Stage = function* (input) {
    const foreign = options.from === undefined ? NOTHING : context.collection(options.from);
    for (const batch of inBatches(input)) {
      const find = options.localField === undefined ? undefined : joinBatch(batch, { options, foreign, context });
      for (const document of batch) {
        const joined =
          options.pipeline === undefined
            ? find?.(document)
            : runPipeline(document, find, { options, foreign, context });
        const draft = createDraft(document);
        draft.set(options.as, joined ?? []);
        yield draft.document;
      }
    }
  };
  return stage;
};

function* inBatches(input: Documents): Generator<Document[]> {
  let batch: Document[] = [];
  for (const document of input) {
    batch.push(document);
    if (batch.length === BATCH) {
      yield batch;
      batch = [];
    }
  }
  if (batch.length > 0) yield batch;
}

interface Join {
  readonly options: LookupOptions;
  readonly foreign: AggregateCollection;
  readonly context: StageContext;
}

type Finder = (document: Document) => Document[];

/** The values of a local field to join by: the elements of arrays, and null for a missing field. */
function joinValues(document: Document, path: readonly string[]): unknown[] {
  const values: unknown[] = [];
  walkPath(document, path, (value) => {
    if (Array.isArray(value)) values.push(...value);
    else values.push(value ?? null);
    return false;
  });
  return values.length === 0 ? [null] : values;
}

/** Reads the other collection once for a batch. @returns a function that finds the matches of a document of the batch */
function joinBatch(batch: readonly Document[], { options, foreign, context }: Join): Finder {
  const { localField = [], foreignField = [] } = options;
  const { collation } = context;
  const wanted = new Map<string, unknown>();
  for (const document of batch) {
    for (const value of joinValues(document, localField)) wanted.set(toKeyString(value, collation), value);
  }
  const byKey = new Map<string, Document[]>();
  const order = new Map<Document, number>();
  for (const document of foreign.find(toFilter(foreignField.join('.'), [...wanted.values()]))) {
    order.set(document, order.size);
    const keys = new Set(joinKeys(document, foreignField, collation));
    for (const key of keys) {
      if (!wanted.has(key)) continue;
      const list = byKey.get(key);
      if (list === undefined) byKey.set(key, [document]);
      else list.push(document);
    }
  }
  return function findMatches(document) {
    const keys = new Set(joinValues(document, localField).map((value) => toKeyString(value, collation)));
    if (keys.size === 1) return byKey.get([...keys][0] as string) ?? [];
    const found = new Set([...keys].flatMap((key) => byKey.get(key) ?? []));
    return [...found].sort((a, b) => (order.get(a) ?? 0) - (order.get(b) ?? 0));
  };
}

function joinKeys(document: Document, path: readonly string[], collation: StageContext['collation']): string[] {
  const keys: string[] = [];
  walkPath(document, path, (value) => {
    if (Array.isArray(value)) for (const element of value) keys.push(toKeyString(element, collation));
    keys.push(toKeyString(value ?? null, collation));
    return false;
  });
  return keys;
}

/** The filter for a list of values. `$in` would match by regular expressions in the list, so they become `$eq`. */
function toFilter(path: string, values: readonly unknown[]): Document {
  const expressions = values.filter(isRegExp);
  if (expressions.length === 0) return { [path]: { $in: values } };
  const plain = values.filter((value) => !isRegExp(value));
  return { $or: [{ [path]: { $in: plain } }, ...expressions.map((value) => ({ [path]: { $eq: value } }))] };
}

function runPipeline(document: Document, find: Finder | undefined, { options, foreign, context }: Join): Document[] {
  const scope = scopeOf(document);
  const variables: Document = {};
  for (const [name, evaluate] of options.variables) variables[name] = evaluate(scope) ?? null;
  const inner = context.compileInner(options.pipeline, variables);
  if (find !== undefined) return [...inner.run(find(document))];
  return [...inner.runOn(pushDownEqualities(foreign, options.pipeline ?? [], variables))];
}

/** `$lookup` by fields, by a pipeline, or by both. */
export const lookupStages: readonly StageEntry[] = [['$lookup', compileLookup]];

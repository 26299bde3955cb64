import { Long } from 'bson';
import { toKeyString } from '../../../bson/key-string.js';
import { toNumber } from '../../../bson/numbers.js';
import { distinctValuesAt, toPath } from '../../../bson/path.js';
import { type Document, isDocument, isNumeric } from '../../../bson/values.js';
import { fail } from '../../../errors.js';
import { createDraft } from '../../draft.js';
import { compile, ensureFieldNames, scopeOf } from '../../expressions/compiler.js';
import { readParameters } from '../../expressions/operators/define.js';
import type { StageCompiler, StageContext, StageEntry } from '../stage-context.js';

interface GraphOptions {
  readonly from: string;
  readonly connectFrom: string;
  readonly connectTo: string;
  readonly maxDepth: number;
  readonly depthField: string | undefined;
  readonly restriction: Document;
}

function pathOf(name: string, value: unknown): string {
  if (typeof value !== 'string') return fail('Location40103', `expected string as argument for ${name}`);
  ensureFieldNames(value.split('.'));
  return value;
}

function depthOf(maxDepth: unknown): number {
  if (!isNumeric(maxDepth)) return fail('Location40100', 'maxDepth must be numeric');
  const depth = toNumber(maxDepth);
  if (depth < 0) return fail('Location40101', `maxDepth requires a nonnegative argument, found: ${depth}`);
  return Number.isInteger(depth)
    ? depth
    : fail('Location40102', `maxDepth could not be represented as a long long: ${depth}`);
}

const compileGraphLookup: StageCompiler = (specification, context) => {
  const given = readParameters('$graphLookup', specification, {
    required: ['from', 'startWith', 'connectFromField', 'connectToField', 'as'],
    optional: ['maxDepth', 'depthField', 'restrictSearchWithMatch'],
  });
  const { restrictSearchWithMatch: restriction = {} } = given;
  if (!isDocument(restriction)) return fail('Location40185', 'restrictSearchWithMatch must be an object');
  const options: GraphOptions = {
    from: typeof given.from === 'string' ? given.from : fail('FailedToParse', '$graphLookup from must be a string'),
    connectFrom: pathOf('connectFromField', given.connectFromField),
    connectTo: pathOf('connectToField', given.connectToField),
    maxDepth: given.maxDepth === undefined ? Number.POSITIVE_INFINITY : depthOf(given.maxDepth),
    depthField: given.depthField === undefined ? undefined : pathOf('depthField', given.depthField),
    restriction,
  };
  const startWith = compile(given.startWith, context.expressions);
  const as = toPath(pathOf('as', given.as));
  return function* runGraphLookup(input) {
    for (const document of input) {
      const start = startWith(scopeOf(document));
      const draft = createDraft(document);
      draft.set(as, search(Array.isArray(start) ? start : [start ?? null], options, context));
      yield draft.document;
    }
  };
};

/** Searches breadth-first, so that each document has its least depth. */
function search(start: readonly unknown[], options: GraphOptions, context: StageContext): Document[] {
  const collection = context.collection(options.from);
  const found = new Map<string, Document>();
  const asked = new Set<string>();
  let frontier = start;
  for (let depth = 0; depth <= options.maxDepth && frontier.length > 0; depth += 1) {
    context.checkTime();
    const values = frontier.filter((value) => {
      const key = toKeyString(value, context.collation);
      return !asked.has(key) && asked.add(key);
    });
    if (values.length === 0) break;
    const next: unknown[] = [];
    for (const document of collection.find({ $and: [{ [options.connectTo]: { $in: values } }, options.restriction] })) {
      const key = toKeyString(document['_id']);
      if (found.has(key)) continue;
      found.set(key, withDepth(document, options.depthField, depth));
      next.push(...distinctValuesAt(document, options.connectFrom));
    }
    frontier = next;
  }
  return [...found.values()];
}

function withDepth(document: Document, field: string | undefined, depth: number): Document {
  if (field === undefined) return document;
  const draft = createDraft(document);
  draft.set(toPath(field), Long.fromNumber(depth));
  return draft.document;
}

/** `$graphLookup`. */
export const graphStages: readonly StageEntry[] = [['$graphLookup', compileGraphLookup]];

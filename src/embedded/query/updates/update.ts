import type { Collation } from '../../bson/collation.js';
import { describe } from '../../bson/describe.js';
import { isIdentical } from '../../bson/identity.js';
import { compareValues } from '../../bson/order.js';
import { type Document, isDocument, setField, typeOf } from '../../bson/values.js';
import { fail } from '../../errors.js';
import { createDraft } from '../draft.js';
import type { Matcher } from '../filters/filter.js';
import { ARRAY_MODIFIERS } from './array-modifiers.js';
import { FIELD_MODIFIERS } from './field-modifiers.js';
import type { Modifier, ModifierCompiler, ModifierContext } from './modifier.js';
import { compileRename } from './rename.js';
import {
  type ArrayFilter,
  comparePaths,
  compileArrayFilters,
  ensureDisjoint,
  ensureNoConflicts,
  ensureStorable,
  expandPath,
  parseUpdatePath,
  type UpdatePath,
} from './update-path.js';
import { compileUpdatePipeline } from './update-pipeline.js';
import { seedFromFilter } from './upsert-seed.js';

/** A compiled update. */
export interface Update {
  /**
   * @param document - a stored document that the filter matches; not changed
   * @returns a new document, or the same one when nothing changes
   */
  apply(document: Document): Document;
  /** The document to insert when the filter matches none; `_id` is missing where neither side gives one. */
  insertFrom(filter: Document): Document;
}

/** What an update depends on beside its document. */
export interface UpdateOptions {
  readonly arrayFilters?: readonly Document[] | undefined;
  readonly collation?: Collation | undefined;
  /** The command's `let`, for a pipeline. */
  readonly variables?: Document | undefined;
  /** The command's filter, which `$` refers to. */
  readonly matcher?: Matcher | undefined;
  readonly now?: Date | undefined;
  /** Whether all that match are updated, which a replacement cannot be for. */
  readonly isMulti?: boolean | undefined;
}

/**
 * Compiles an update: a replacement, a document of operators, or a pipeline.
 * @throws DatabaseError FailedToParse naming an unknown operator, ConflictingUpdateOperators, TypeMismatch, …
 */
export function compileUpdate(update: Document | readonly Document[], options: UpdateOptions = {}): Update {
  if (Array.isArray(update)) return fromPipeline(update, options);
  const document = update as Document;
  const [first] = Object.keys(document);
  return first?.startsWith('$') === true ? fromOperators(document, options) : fromReplacement(document, options);
}

function fromReplacement(replacement: Document, { collation, arrayFilters, isMulti }: UpdateOptions): Update {
  if (isMulti === true) return fail('FailedToParse', 'multi update is not supported for replacement-style update');
  if (arrayFilters !== undefined && arrayFilters.length > 0) {
    return fail('FailedToParse', 'Cannot specify arrayFilters for a replacement update');
  }
  for (const key of Object.keys(replacement)) {
    if (key.startsWith('$')) {
      fail(
        'DollarPrefixedFieldName',
        `The dollar ($) prefixed field '${key}' in '${key}' is not allowed in the context of an update's replacement document. Consider using an aggregation pipeline with $replaceWith.`,
      );
    }
  }
  const replace = (document: Document): Document => {
    const replaced = withId(replacement, replacement['_id'] ?? document['_id']);
    return isIdentical(replaced, document) ? document : replaced;
  };
  return {
    apply: (document) => ensureSameId(document, replace(document)),
    insertFrom: (filter) => replace(seedFromFilter(filter, { isReplacement: true, collation })),
  };
}

/** The document with `_id` first; without one as it is. */
function withId(document: Document, id: unknown): Document {
  if (id === undefined) return { ...document };
  const result: Document = { _id: id };
  for (const [key, value] of Object.entries(document)) if (key !== '_id') setField(result, key, value);
  return result;
}

function ensureSameId(before: Document, after: Document): Document {
  const [old, changed] = [before['_id'], after['_id']];
  if (old === changed || (changed !== undefined && compareValues(old, changed) === 0)) return after;
  return fail(
    'ImmutableField',
    `After applying the update, the (immutable) field '_id' was found to have been altered to _id: ${describe(changed)}`,
  );
}

function fromPipeline(stages: readonly Document[], options: UpdateOptions): Update {
  if (options.arrayFilters !== undefined && options.arrayFilters.length > 0) {
    return fail('FailedToParse', 'Cannot specify arrayFilters for a pipeline update');
  }
  const run = compileUpdatePipeline(stages, options);
  return {
    apply: (document) => {
      const result = run(document);
      const changed = withId(result, result['_id'] ?? document['_id']);
      return isIdentical(changed, document) ? document : ensureSameId(document, changed);
    },
    insertFrom: (filter) => {
      const seed = seedFromFilter(filter, { isReplacement: false, collation: options.collation });
      const result = run(seed);
      return withId(result, result['_id'] ?? seed['_id']);
    },
  };
}

const COMPILERS: ReadonlyMap<string, ModifierCompiler> = new Map([...FIELD_MODIFIERS, ...ARRAY_MODIFIERS]);

/** An operator on a path, ready to be applied to documents. */
interface Step {
  readonly path: UpdatePath;
  readonly modifier: Modifier;
  readonly isOnInsertOnly: boolean;
  /** For `$rename`: the source it moves the value from. */
  readonly from: UpdatePath | undefined;
}

function fromOperators(update: Document, options: UpdateOptions): Update {
  const { collation, now = new Date() } = options;
  const filters = compileArrayFilters(options.arrayFilters, options);
  const steps: Step[] = [];
  for (const operator of Object.keys(update)) {
    compileOperator(operator, update[operator], { filters, context: { collation, now }, into: steps });
  }
  for (const { identifier, isUsed } of filters.values()) {
    if (!isUsed)
      fail(
        'FailedToParse',
        `The array filter for identifier '${identifier}' was not used in the update ${describe(update)}`,
      );
  }
  if (steps.length > 1) {
    ensureNoConflicts(steps.flatMap(({ path, from }) => (from ? [path.names, from.names] : [path.names])));
    steps.sort((a, b) => comparePaths(a.path, b.path));
  }
  const onUpdate = steps.filter(({ isOnInsertOnly }) => !isOnInsertOnly);
  return {
    apply: (document) => {
      for (const { path } of onUpdate) ensureStorable(path);
      const changed = applySteps(onUpdate, document, options.matcher);
      if (changed !== document) ensureIdKept(document, changed);
      return changed;
    },
    insertFrom: (filter) => {
      const seed = seedFromFilter(filter, { isReplacement: false, collation: options.collation });
      const document = applySteps(steps, seed, undefined);
      if (seed['_id'] !== undefined) ensureIdKept(seed, document);
      return withId(document, document['_id']);
    },
  };
}

function ensureIdKept(before: Document, after: Document): void {
  const id = after['_id'];
  if (id !== before['_id'] && (id === undefined || !isIdentical(id, before['_id']))) {
    fail('ImmutableField', "Performing an update on the path '_id' would modify the immutable field '_id'");
  }
}

interface Compiling {
  readonly filters: ReadonlyMap<string, ArrayFilter>;
  readonly context: ModifierContext;
  readonly into: Step[];
}

function compileOperator(operator: string, fields: unknown, { filters, context, into }: Compiling): void {
  const compiler = COMPILERS.get(operator);
  if (compiler === undefined && operator !== '$rename') {
    fail(
      'FailedToParse',
      `Unknown modifier: ${operator}. Expected a valid update modifier or pipeline-style update specified as an array`,
    );
  }
  const isOnInsertOnly = operator === '$setOnInsert';
  const byPath = ensureFields(operator, fields);
  for (const text of Object.keys(byPath)) {
    const argument = byPath[text];
    const path = parseUpdatePath(text, filters);
    if (compiler === undefined) into.push({ ...compileRename(path, argument), isOnInsertOnly });
    else into.push({ path, modifier: compiler(argument, text, context), isOnInsertOnly, from: undefined });
  }
}

const ensureFields = (operator: string, fields: unknown): Document =>
  isDocument(fields)
    ? fields
    : fail(
        'FailedToParse',
        `Modifiers operate on fields but we found type ${typeOf(fields)} instead. For example: {$mod: {<field>: ...}} not {${operator}: ${describe(fields)}}`,
      );

function applySteps(steps: readonly Step[], document: Document, matcher: Matcher | undefined): Document {
  const draft = createDraft(document);
  const places = placesOf(steps, document, matcher);
  for (const [index, { path, modifier, from }] of steps.entries()) {
    if (from !== undefined) {
      moveField(draft, { document, path, from });
      continue;
    }
    for (const names of places[index] ?? []) {
      const value = draft.get(names);
      if (value === undefined && !modifier.creates) continue;
      const changed = modifier.change(value, { path: path.segments ? names.join('.') : path.text, document });
      if (changed === undefined) draft.remove(names);
      else if (changed !== value) draft.set(names, changed);
    }
  }
  return draft.document;
}

/**
 * The paths that each step means in a document. All are found before the first change: which elements an array operator
 * stands for depends on what was stored, not on what another step of the same update makes of it.
 * @throws DatabaseError ConflictingUpdateOperators (40) when two steps mean one element
 */
function placesOf(
  steps: readonly Step[],
  document: Document,
  matcher: Matcher | undefined,
): readonly (readonly string[])[][] {
  const position = (): number | undefined => matcher?.positionOf(document);
  const places = steps.map(({ path }) => expandPath(path, document, position));
  if (steps.length > 1 && steps.some(({ path }) => path.segments !== undefined)) ensureDisjoint(places.flat());
  return places;
}

interface Move {
  readonly document: Document;
  readonly path: UpdatePath;
  readonly from: UpdatePath;
}

function moveField(draft: ReturnType<typeof createDraft>, { document, path, from }: Move): void {
  for (const [role, { names, text }] of [
    ['source', from],
    ['destination', path],
  ] as const) {
    if (draft.crossesArray(names)) {
      fail(
        'BadValue',
        `The ${role} field cannot be an array element, '${text}' in doc with _id: ${describe(document['_id'])}`,
      );
    }
  }
  const value = draft.get(from.names);
  if (value === undefined) return;
  draft.remove(from.names);
  draft.set(path.names, value);
}

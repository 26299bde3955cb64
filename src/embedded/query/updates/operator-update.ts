import { describe } from '../../bson/describe.js';
import { type Document, isDocument, typeOf } from '../../bson/values.js';
import { fail } from '../../errors.js';
import { createDraft, type Draft } from '../draft.js';
import type { Matcher } from '../filters/filter.js';
import { type ArrayFilter, compileArrayFilters } from './array-filters.js';
import { ARRAY_MODIFIERS } from './array-modifiers.js';
import { ensureIdenticalId, withIdFirst } from './document-id.js';
import { FIELD_MODIFIERS } from './field-modifiers.js';
import type { Modifier, ModifierCompiler, ModifierContext, Place } from './modifier.js';
import { ensureDisjoint, ensureNoConflicts } from './path-conflicts.js';
import { compileRename } from './rename.js';
import type { Update, UpdateOptions } from './update.js';
import { comparePaths, ensureStorable, expandPath, parseUpdatePath, type UpdatePath } from './update-path.js';
import { seedFromFilter } from './upsert-seed.js';

const COMPILERS: ReadonlyMap<string, ModifierCompiler> = new Map([...FIELD_MODIFIERS, ...ARRAY_MODIFIERS]);

/** A compiled operator on a path. */
interface Step {
  readonly path: UpdatePath;
  readonly modifier: Modifier;
  readonly isOnInsertOnly: boolean;
  /** The source path of a `$rename`. */
  readonly from: UpdatePath | undefined;
}

/**
 * Compiles an update by operators such as `$set` and `$push`.
 * @throws DatabaseError FailedToParse naming an unknown operator or an unused array filter, ConflictingUpdateOperators
 */
export function compileOperatorUpdate(update: Document, options: UpdateOptions): Update {
  const { collation, now = new Date() } = options;
  const filters = compileArrayFilters(options.arrayFilters, options);
  const steps: Step[] = [];
  for (const operator of Object.keys(update)) {
    compileOperator(operator, update[operator], { filters, context: { collation, now }, into: steps });
  }
  ensureFiltersUsed(filters, update);
  if (steps.length > 1) {
    ensureNoConflicts(steps.flatMap(({ path, from }) => (from ? [path.names, from.names] : [path.names])));
    steps.sort((a, b) => comparePaths(a.path, b.path));
  }
  const onUpdate = steps.filter(({ isOnInsertOnly }) => !isOnInsertOnly);
  return {
    apply: (document) => {
      for (const { path } of onUpdate) ensureStorable(path);
      const changed = applySteps(onUpdate, document, options.matcher);
      if (changed !== document) ensureIdenticalId(document, changed);
      return changed;
    },
    insertFrom: (filter) => {
      const seed = seedFromFilter(filter, { isReplacement: false, collation: options.collation });
      const document = applySteps(steps, seed, undefined);
      if (seed['_id'] !== undefined) ensureIdenticalId(seed, document);
      return withIdFirst(document, document['_id']);
    },
  };
}

function ensureFiltersUsed(filters: ReadonlyMap<string, ArrayFilter>, update: Document): void {
  for (const { identifier, isUsed } of filters.values()) {
    if (isUsed) continue;
    fail(
      'FailedToParse',
      `The array filter for identifier '${identifier}' was not used in the update ${describe(update)}`,
    );
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
  const expanded = expandPaths(steps, document, matcher);
  for (const [index, { path, modifier, from }] of steps.entries()) {
    if (from !== undefined) {
      moveField(draft, { document, path, from });
      continue;
    }
    for (const names of expanded[index] ?? []) {
      changeField(draft, names, modifier, { path: path.segments ? names.join('.') : path.text, document });
    }
  }
  return draft.document;
}

function changeField(draft: Draft, names: readonly string[], modifier: Modifier, place: Place): void {
  const value = draft.get(names);
  if (value === undefined && !modifier.creates) {
    if (modifier.needsViablePath === true) ensureViable(draft, names);
    return;
  }
  const changed = modifier.change(value, place);
  if (changed === undefined) draft.remove(names);
  else if (changed !== value) draft.set(names, changed);
}

/**
 * Expands the path of each step in a document. All paths are expanded before the first change: the elements an array
 * operator selects depend on the stored document, not on other steps of the update.
 * @throws DatabaseError ConflictingUpdateOperators when two steps write the same element
 */
function expandPaths(
  steps: readonly Step[],
  document: Document,
  matcher: Matcher | undefined,
): readonly (readonly string[])[][] {
  let found: { readonly position: number | undefined } | undefined;
  const position = (): number | undefined => {
    // Once for all steps: it looks for the element that the filter matched.
    found ??= { position: matcher?.positionOf(document) };
    return found.position;
  };
  const expanded = steps.map(({ path }) => expandPath(path, document, position));
  if (steps.length > 1 && steps.some(({ path }) => path.segments !== undefined)) ensureDisjoint(expanded.flat());
  return expanded;
}

interface Move {
  readonly document: Document;
  readonly path: UpdatePath;
  readonly from: UpdatePath;
}

function moveField(draft: Draft, { document, path, from }: Move): void {
  ensureViable(draft, from.names);
  const value = draft.get(from.names);
  if (value === undefined) return;
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
  draft.remove(from.names);
  draft.set(path.names, value);
}

/** @throws DatabaseError PathNotViable for a path through a value without such fields */
function ensureViable(draft: Draft, names: readonly string[]): void {
  for (const [index, name] of names.slice(1).entries()) {
    const container = draft.get(names.slice(0, index + 1));
    if (container === undefined) return;
    if (isDocument(container) || (Array.isArray(container) && /^\d+$/.test(name))) continue;
    fail(
      'PathNotViable',
      `Cannot use the part (${name}) of (${names.join('.')}) to traverse the element ({${names[index]}: ${describe(container)}})`,
    );
  }
}

import { ObjectId } from 'bson';
import type { Collation } from '../../bson/collation.js';
import { type Document, fieldOf } from '../../bson/values.js';
import type { Collection } from '../../engine/collection.js';
import { DirectWriter } from '../../engine/direct-writer.js';
import { LockedError } from '../../engine/lock.js';
import { readDocuments } from '../../engine/read.js';
import { TransactionWriter } from '../../engine/transaction-writer.js';
import type { Writer } from '../../engine/writer.js';
import { fail } from '../../errors.js';
import { compileFilter, type Matcher } from '../../query/filters/filter.js';
import { compileUpdate } from '../../query/updates/compile-update.js';
import { resolveOrder } from '../request/hint.js';
import type { Request } from '../request/request.js';

/**
 * Runs the single statements of write commands. Outside a transaction all statements of a command become one frame of
 * the log; only when one must wait for a transaction's lock, what was done so far is handed over before.
 */
export interface StatementRunner {
  /**
   * Runs a statement, or answers it from memory when the command is a retry.
   * @param perform - makes the change; run again after waiting, when it met a lock
   */
  run(statement: number, perform: (writer: Writer) => Document): Document | Promise<Document>;
  /** Hands what was written to the log. */
  finish(): void;
}

/** The runner for a request's statements, in its transaction if it has one. */
export function createStatementRunner(request: Request): StatementRunner {
  const { transaction, session, isRetryable, state, deadline } = request;
  if (transaction) {
    const writer = new TransactionWriter(transaction);
    return { run: (_statement, perform) => perform(writer), finish: () => {} };
  }
  const writer = new DirectWriter(state.engine);
  let done: (readonly [number, Document])[] = [];
  const finish = (): void => {
    if (isRetryable && done.length > 0) writer.commit(session, done);
    else writer.commit();
    done = [];
  };
  const run: StatementRunner['run'] = (statement, perform) => {
    const earlier = isRetryable ? session?.statements.get(statement) : undefined;
    if (earlier) return earlier;
    try {
      const result = perform(writer);
      if (isRetryable) done.push([statement, result]);
      return result;
    } catch (error) {
      if (!(error instanceof LockedError)) throw error;
      finish();
      return runAfter(error, statement, perform);
    }
  };
  const runAfter = async (
    lock: LockedError,
    statement: number,
    perform: (writer: Writer) => Document,
  ): Promise<Document> => {
    await waitForEnd(lock, deadline.at);
    deadline.check();
    return run(statement, perform);
  };
  return { run, finish };
}

/** Waits until the transaction that holds a lock has ended, or until a moment (milliseconds since the epoch). */
export async function waitForEnd({ owner }: LockedError, until: number): Promise<void> {
  if (until === Number.POSITIVE_INFINITY) {
    await owner.ended;
    return;
  }
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, Math.max(0, until - Date.now()));
  });
  await Promise.race([owner.ended, timeout]);
  clearTimeout(timer);
}

/** The document as it is stored: `_id` first, made if it is missing. */
export function withId(document: Document): Document {
  const id = fieldOf(document, '_id');
  if (id === undefined) return { _id: new ObjectId(), ...document };
  ensureId(id);
  for (const first in document) {
    if (first === '_id') return document;
    break;
  }
  const { _id, ...rest } = document;
  return { _id, ...rest };
}

function ensureId(id: unknown): void {
  if (Array.isArray(id)) fail('InvalidIdField', "The '_id' value cannot be of type array");
  if (typeof id !== 'object' || id === null) return;
  const name = id.constructor?.name;
  if (name === 'BSONRegExp') fail('InvalidIdField', "The '_id' value cannot be of type regex");
  if (Object.getPrototypeOf(id) !== Object.prototype) return;
  const operator = Object.keys(id).find((key) => key.startsWith('$') && !['$ref', '$id', '$db'].includes(key));
  if (operator)
    fail(
      'DollarPrefixedFieldName',
      `_id fields may not contain '$'-prefixed fields: ${operator} is not valid for storage.`,
    );
}

/** An update or replacement of what a filter finds. */
export interface UpdateStatement {
  readonly filter: Document;
  readonly update: Document | Document[];
  readonly isMulti: boolean;
  readonly isUpsert: boolean;
  readonly sort?: Document | undefined;
  readonly hint?: unknown;
  readonly arrayFilters?: Document[] | undefined;
  readonly collation: Collation | undefined;
  readonly variables: Document | undefined;
  readonly progress: Progress;
}

/** What an update has done. */
export interface UpdateOutcome {
  readonly matched: number;
  readonly modified: number;
  readonly upserted: Document | undefined;
  /** The last document, before and after. */
  readonly before: Document | undefined;
  readonly after: Document | undefined;
}

/** Finds by filter, in the view of the request. */
const findTargets = (
  request: Request,
  collection: Collection,
  { matcher, hint, sort, limit }: { matcher: Matcher; hint?: unknown; sort?: Document | undefined; limit: number },
): Document[] =>
  readDocuments(collection, {
    matcher,
    ...resolveOrder(collection, { sort, hint }),
    limit,
    transaction: request.transaction,
    checkTime: request.deadline.check,
  });

/** What a statement over many documents has done before it had to wait for a lock and was run again. */
export interface Progress {
  readonly keys: Set<string>;
  modified: number;
}

/** Nothing done yet. */
export const createProgress = (): Progress => ({ keys: new Set(), modified: 0 });

/** Runs one update statement. Without a collection it finds nothing; an upsert needs one. */
export function performUpdate(
  request: Request,
  collection: Collection | undefined,
  { statement, writer }: { statement: UpdateStatement; writer: Writer },
): UpdateOutcome {
  const { filter, isMulti, isUpsert, sort, hint, collation, variables, progress } = statement;
  const matcher = compileFilter(filter, { collation, variables });
  const update = compileUpdate(statement.update, {
    arrayFilters: statement.arrayFilters,
    collation,
    variables,
    matcher,
    isMulti,
  });
  if (!collection) return { matched: 0, modified: 0, upserted: undefined, before: undefined, after: undefined };
  const targets = findTargets(request, collection, { matcher, hint, sort, limit: isMulti ? 0 : 1 });
  const isTracked = isMulti && collection.locks.size > 0;
  let matched = progress.keys.size;
  let before: Document | undefined;
  let after: Document | undefined;
  for (const target of targets) {
    const key = isTracked ? collection.keyOf(target['_id']) : '';
    if (isTracked && progress.keys.has(key)) continue;
    before = target;
    after = update.apply(target);
    if (after !== before) {
      writer.replace(collection, before, after);
      progress.modified += 1;
    }
    matched += 1;
    if (isTracked) progress.keys.add(key);
  }
  if (matched > 0 || !isUpsert) return { matched, modified: progress.modified, upserted: undefined, before, after };
  const upserted = withId(update.insertFrom(filter));
  writer.insert(collection, upserted);
  return { matched: 0, modified: 0, upserted, before: undefined, after: upserted };
}

/** What is answered, and remembered for a retry, of an update. */
export function toUpdateResult({ matched, modified, upserted }: UpdateOutcome): Document {
  const result: Document = { n: upserted ? matched + 1 : matched, nModified: modified };
  if (upserted) result['upserted'] = { _id: upserted['_id'] };
  return result;
}

/** A deletion of what a filter finds. */
export interface DeleteStatement {
  readonly filter: Document;
  readonly isMulti: boolean;
  readonly sort?: Document | undefined;
  readonly hint?: unknown;
  readonly collation: Collation | undefined;
  readonly variables: Document | undefined;
  readonly progress: Progress;
}

/** Runs one delete statement. */
export function performDelete(
  request: Request,
  collection: Collection,
  { statement, writer }: { statement: DeleteStatement; writer: Writer },
): { deleted: number; before: Document | undefined } {
  const { filter, isMulti, sort, hint, collation, variables, progress } = statement;
  const matcher = compileFilter(filter, { collation, variables });
  const targets = findTargets(request, collection, { matcher, hint, sort, limit: isMulti ? 0 : 1 });
  for (const target of targets) {
    writer.remove(collection, target);
    progress.modified += 1;
  }
  return { deleted: progress.modified, before: targets[0] };
}

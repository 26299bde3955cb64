import type { Document } from '../../bson/values.js';
import type { Collection } from '../../engine/collection.js';
import type { Writer } from '../../engine/writer.js';
import { fail } from '../../errors.js';
import { compileFilter } from '../../query/filters/filter.js';
import { compileUpdate } from '../../query/updates/compile-update.js';
import type { Update } from '../../query/updates/update.js';
import type { Request } from '../request/request.js';
import { findTargets, type Progress, type TargetStatement } from './statement-targets.js';
import { toStoredDocument } from './stored-document.js';

/** An update of the documents that a filter matches. */
export interface UpdateStatement extends TargetStatement {
  readonly update: Document | Document[];
  readonly isUpsert: boolean;
  readonly arrayFilters?: Document[] | undefined;
  /** Whether the statement has constants, which are for a pipeline only. */
  readonly hasConstants?: boolean;
}

/** The outcome of an update. */
export interface UpdateOutcome {
  readonly matched: number;
  readonly modified: number;
  readonly upserted: Document | undefined;
  /** The last document before the update. */
  readonly before: Document | undefined;
  /** The last document after the update, or the inserted one. */
  readonly after: Document | undefined;
}

/** Runs an update statement. Without a collection it matches nothing; an upsert requires one. */
export function performUpdate(
  request: Request,
  collection: Collection | undefined,
  { statement, writer }: { statement: UpdateStatement; writer: Writer },
): UpdateOutcome {
  const { filter, isMulti, isUpsert, collation, variables, arrayFilters, progress } = statement;
  if (statement.hasConstants === true && !Array.isArray(statement.update)) {
    fail('Location51198', 'Constant values may only be specified for pipeline updates');
  }
  const matcher = compileFilter(filter, { collation, variables, bansExpr: isUpsert });
  const update = compileUpdate(statement.update, { arrayFilters, collation, variables, matcher, isMulti });
  if (!collection) return { matched: 0, modified: 0, upserted: undefined, before: undefined, after: undefined };
  const targets = findTargets(request, collection, { statement, matcher });
  const applied = applyUpdate(targets, { collection, update, writer, progress, isMulti });
  if (applied.matched > 0 || !isUpsert) return { ...applied, modified: progress.modified, upserted: undefined };
  const upserted = toStoredDocument(update.insertFrom(filter));
  writer.insert(collection, upserted);
  return { matched: 0, modified: 0, upserted, before: undefined, after: upserted };
}

interface Application {
  readonly collection: Collection;
  readonly update: Update;
  readonly writer: Writer;
  readonly progress: Progress;
  readonly isMulti: boolean;
}

function applyUpdate(
  targets: readonly Document[],
  { collection, update, writer, progress, isMulti }: Application,
): Pick<UpdateOutcome, 'matched' | 'before' | 'after'> {
  // Only a statement on several documents can have changed some of them before it meets a lock.
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
  return { matched, before, after };
}

/** The result of an update in the reply, and in the session for retries. */
export function toUpdateResult({ matched, modified, upserted }: UpdateOutcome): Document {
  const result: Document = { n: upserted ? matched + 1 : matched, nModified: modified };
  if (upserted) result['upserted'] = { _id: upserted['_id'] };
  return result;
}

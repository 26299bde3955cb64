import type { Collation } from '../../bson/collation.js';
import type { Document } from '../../bson/values.js';
import type { Collection } from '../../engine/collection.js';
import { readDocuments } from '../../engine/read.js';
import type { Matcher } from '../../query/filters/filter.js';
import { resolveOrder } from '../request/hint.js';
import type { Request } from '../request/request.js';

/** The part of update and delete statements that selects documents. */
export interface TargetStatement {
  readonly filter: Document;
  readonly isMulti: boolean;
  readonly sort?: Document | undefined;
  readonly hint?: unknown;
  readonly collation: Collation | undefined;
  readonly variables: Document | undefined;
  readonly progress: Progress;
}

/** What a statement has done before it waited for a lock, so that running it again does not repeat it. */
export interface Progress {
  /** The keys of the documents that were processed. */
  readonly keys: Set<string>;
  modified: number;
}

/** The progress of a statement that starts. */
export const createProgress = (): Progress => ({ keys: new Set(), modified: 0 });

/** Finds the documents of a statement in the view of the request. */
export const findTargets = (
  request: Request,
  collection: Collection,
  { statement: { hint, sort, isMulti }, matcher }: { statement: TargetStatement; matcher: Matcher },
): Document[] =>
  readDocuments(collection, {
    matcher,
    ...resolveOrder(collection, { sort, hint }),
    limit: isMulti ? 0 : 1,
    transaction: request.transaction,
    checkTime: request.deadline.check,
  });

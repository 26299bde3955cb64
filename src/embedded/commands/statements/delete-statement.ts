import type { Document } from '../../bson/values.js';
import type { Collection } from '../../engine/collection.js';
import type { Writer } from '../../engine/writer.js';
import { compileFilter } from '../../query/filters/filter.js';
import type { Request } from '../request/request.js';
import { findTargets, type TargetStatement } from './statement-targets.js';

/** Runs a delete statement. @returns the number of deleted documents, and the first of them */
export function performDelete(
  request: Request,
  collection: Collection,
  { statement, writer }: { statement: TargetStatement; writer: Writer },
): { deleted: number; before: Document | undefined } {
  const { filter, collation, variables, progress } = statement;
  const matcher = compileFilter(filter, { collation, variables });
  const targets = findTargets(request, collection, { statement, matcher });
  for (const target of targets) {
    writer.remove(collection, target);
    progress.modified += 1;
  }
  return { deleted: progress.modified, before: targets[0] };
}

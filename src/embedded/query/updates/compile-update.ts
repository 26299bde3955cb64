import type { Document } from '../../bson/values.js';
import { compileOperatorUpdate } from './operator-update.js';
import { compilePipelineUpdate } from './pipeline-update.js';
import { compileReplacement } from './replacement-update.js';
import type { Update, UpdateOptions } from './update.js';

/**
 * Compiles an update: a document of operators, a replacement, or a pipeline.
 * @throws DatabaseError FailedToParse naming an unknown operator, ConflictingUpdateOperators, TypeMismatch, …
 */
export function compileUpdate(update: Document | readonly Document[], options: UpdateOptions = {}): Update {
  if (Array.isArray(update)) return compilePipelineUpdate(update, options);
  const document = update as Document;
  const [first] = Object.keys(document);
  return first?.startsWith('$') === true
    ? compileOperatorUpdate(document, options)
    : compileReplacement(document, options);
}

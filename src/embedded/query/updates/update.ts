import type { Collation } from '../../bson/collation.js';
import type { Document } from '../../bson/values.js';
import type { Matcher } from '../filters/filter.js';

/** A compiled update. */
export interface Update {
  /**
   * Applies the update to a stored document that the filter matches.
   * @returns a new document, or the same object when nothing changes
   */
  apply(document: Document): Document;
  /** The document to insert when the filter matches none. `_id` is missing when neither filter nor update sets it. */
  insertFrom(filter: Document): Document;
}

/** The context of an update. */
export interface UpdateOptions {
  readonly arrayFilters?: readonly Document[] | undefined;
  readonly collation?: Collation | undefined;
  /** The variables of the command's `let`, for a pipeline. */
  readonly variables?: Document | undefined;
  /** The compiled filter of the command, for the positional `$`. */
  readonly matcher?: Matcher | undefined;
  readonly now?: Date | undefined;
  /** Whether all matching documents are updated. A replacement rejects this. */
  readonly isMulti?: boolean | undefined;
}

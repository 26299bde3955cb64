import { isIdentical } from '../../bson/identity.js';
import type { Document } from '../../bson/values.js';
import { fail } from '../../errors.js';
import { ensureEqualId, withIdFirst } from './document-id.js';
import type { Update, UpdateOptions } from './update.js';
import { seedFromFilter } from './upsert-seed.js';

/**
 * Compiles an update that replaces the whole document.
 * @throws DatabaseError FailedToParse with `multi` or `arrayFilters`, DollarPrefixedFieldName
 */
export function compileReplacement(replacement: Document, options: UpdateOptions): Update {
  const { collation, arrayFilters, isMulti } = options;
  if (isMulti === true) return fail('FailedToParse', 'multi update is not supported for replacement-style update');
  if (arrayFilters !== undefined && arrayFilters.length > 0) {
    return fail('FailedToParse', 'Cannot specify arrayFilters for a replacement update');
  }
  ensureNoOperators(replacement);

  function replace(document: Document): Document {
    const replaced = withIdFirst(replacement, replacement['_id'] ?? document['_id']);
    return isIdentical(replaced, document) ? document : replaced;
  }

  return {
    apply: (document) => {
      const replaced = replace(document);
      ensureEqualId(document, replaced);
      return replaced;
    },
    insertFrom: (filter) => {
      const seed = seedFromFilter(filter, { isReplacement: true, collation });
      const replaced = replace(seed);
      if (seed['_id'] !== undefined) ensureEqualId(seed, replaced);
      return replaced;
    },
  };
}

function ensureNoOperators(replacement: Document): void {
  for (const key of Object.keys(replacement)) {
    if (key.startsWith('$')) {
      fail(
        'DollarPrefixedFieldName',
        `The dollar ($) prefixed field '${key}' in '${key}' is not allowed in the context of an update's replacement document. Consider using an aggregation pipeline with $replaceWith.`,
      );
    }
  }
}

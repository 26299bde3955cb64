import { describe } from '../../bson/describe.js';
import { isIdentical } from '../../bson/identity.js';
import { compareValues } from '../../bson/order.js';
import { type Document, setField } from '../../bson/values.js';
import { fail } from '../../errors.js';

/** A copy of the document with this `_id` as its first field; without an `_id` a plain copy. */
export function withIdFirst(document: Document, id: unknown): Document {
  if (id === undefined) return { ...document };
  const result: Document = { _id: id };
  for (const [key, value] of Object.entries(document)) if (key !== '_id') setField(result, key, value);
  return result;
}

/**
 * Checks that a replacement or a pipeline keeps an equal `_id`.
 * @throws DatabaseError ImmutableField
 */
export function ensureEqualId(before: Document, after: Document): void {
  const [old, changed] = [before['_id'], after['_id']];
  if (old === changed || (changed !== undefined && compareValues(old, changed) === 0)) return;
  fail(
    'ImmutableField',
    `After applying the update, the (immutable) field '_id' was found to have been altered to _id: ${describe(changed)}`,
  );
}

/**
 * Checks that operators leave `_id` unchanged, down to its BSON type.
 * @throws DatabaseError ImmutableField
 */
export function ensureIdenticalId(before: Document, after: Document): void {
  const id = after['_id'];
  if (id !== before['_id'] && (id === undefined || !isIdentical(id, before['_id']))) {
    fail('ImmutableField', "Performing an update on the path '_id' would modify the immutable field '_id'");
  }
}

import { ObjectId } from 'bson';
import { type Document, fieldOf } from '../../bson/values.js';
import { fail } from '../../errors.js';
import { DBREF_FIELDS } from '../../query/filters/operator.js';

/**
 * A document in the form in which it is stored: with `_id` as the first field, generated when it is missing.
 * @throws DatabaseError InvalidIdField or DollarPrefixedFieldName for an `_id` that cannot be stored
 */
export function toStoredDocument(document: Document): Document {
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
  if (id.constructor?.name === 'BSONRegExp') fail('InvalidIdField', "The '_id' value cannot be of type regex");
  if (Object.getPrototypeOf(id) !== Object.prototype) return;
  const operator = Object.keys(id).find((key) => key.startsWith('$') && !DBREF_FIELDS.has(key));
  if (operator === undefined) return;
  fail(
    'DollarPrefixedFieldName',
    `_id fields may not contain '$'-prefixed fields: ${operator} is not valid for storage.`,
  );
}

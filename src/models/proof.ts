import type { Types } from 'mongoose';
import { storedValue } from './reader.js';

/** A filter that matches a document by its id. */
export type Proof = { readonly _id: Types.ObjectId } & Readonly<Record<string, unknown>>;

/**
 * A filter that matches a document only while the fields are stored as they were read, also by other services and with other
 * types than the model has. A missing field and `null` are the same: both are read as missing.
 */
export const proofOf = <D extends { _id: Types.ObjectId }>(
  document: D,
  fields: readonly (Exclude<keyof D, '_id'> & string)[],
): Proof => ({
  ...Object.fromEntries(fields.map((field) => [field, { $eq: storedValue(document, field) ?? null }])),
  _id: document._id,
});

import type { AnyBulkWriteOperation, ClientSession, Model, Types } from 'mongoose';
import { changedFields } from './reader.js';

/** Writes the converted values of fields that another service stored with other types. */
export async function repairDocuments<T extends { _id: Types.ObjectId }>(
  model: Model<T>,
  documents: readonly Pick<T, '_id'>[],
  session: ClientSession,
): Promise<void> {
  const operations = documents.flatMap((document) => {
    const changed = changedFields(document);
    if (Object.keys(changed).length === 0) return [];
    return [{ updateOne: { filter: { _id: document._id }, update: { $set: changed } } }];
  });
  if (operations.length === 0) return;
  await model.bulkWrite(operations as AnyBulkWriteOperation[], { session, timestamps: false });
}

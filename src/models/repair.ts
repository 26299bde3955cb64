import type { ClientSession, Model, Types } from 'mongoose';
import { shardKeys } from '#shared/models/sharding.js';
import { changedFields, storedValue } from './reader.js';

/** Writes the converted values of fields that another service stored with other types. The documents have the shard key. */
export async function repairDocuments<T extends { _id: Types.ObjectId }>(
  model: Model<T>,
  documents: readonly Pick<T, '_id'>[],
  session: ClientSession,
): Promise<void> {
  const field = shardKeys[model.collection.collectionName]?.field ?? '_id';
  const operations = documents.flatMap((document) => {
    const changed = changedFields(document);
    if (Object.keys(changed).length === 0) return [];
    const filter = { [field]: storedValue(document, field), _id: document._id };
    return [{ updateOne: { filter, update: { $set: changed } } }];
  });
  if (operations.length === 0) return;
  // By the driver: Mongoose would convert the shard key in the filter.
  await model.collection.bulkWrite(operations as never[], { session });
}

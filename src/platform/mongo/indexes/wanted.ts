import type { Model } from 'mongoose';
import { platformCollections } from '#shared/models/ownership.js';

/** An index that the gateway's queries use, or that keeps a document from being stored twice. */
export interface WantedIndex {
  readonly collection: string;
  readonly name: string;
  readonly key: Readonly<Record<string, unknown>>;
  readonly options: IndexOptions;
  /** The gateway may create it without asking. */
  readonly isOwn: boolean;
  /** Queries name it (`hint`), and fail without an index of this name. */
  readonly isHinted: boolean;
}

/** The options that decide what an index does. */
export interface IndexOptions {
  readonly unique?: boolean;
  readonly sparse?: boolean;
  readonly expireAfterSeconds?: number;
  readonly partialFilterExpression?: object;
}

/** The collection whose indexes the queries name. */
const HINTED_COLLECTION = 'conversation.members';

/** The indexes of the models. @param ownsAll nothing else uses the database, as is so with the embedded one */
export function wantedIndexes(models: readonly Model<never>[], { ownsAll }: { ownsAll: boolean }): WantedIndex[] {
  return models.flatMap((model) => {
    const collection = model.collection.collectionName;
    const isOwn = ownsAll || !platformCollections.has(collection);
    return model.schema.indexes().map(([key, given]): WantedIndex => {
      const { name, unique, sparse, expireAfterSeconds, partialFilterExpression } = given;
      return {
        collection,
        name: name ?? defaultName(key),
        key,
        options: {
          ...(unique === true && { unique }),
          ...(sparse === true && { sparse }),
          ...(typeof expireAfterSeconds === 'number' && { expireAfterSeconds }),
          ...(partialFilterExpression !== undefined && { partialFilterExpression }),
        },
        isOwn,
        isHinted: collection === HINTED_COLLECTION && name !== undefined,
      };
    });
  });
}

const defaultName = (key: object): string =>
  Object.entries(key)
    .map(([field, direction]) => `${field}_${direction}`)
    .join('_');

/** The gateway is not right without it, so it has to be there before anything is served. */
export const isNeededFirst = ({ options, isHinted }: WantedIndex): boolean => options.unique === true || isHinted;

import type { Model } from 'mongoose';
import { platformCollections } from '#shared/models/ownership.js';

/** An index for the gateway's queries, or a unique index. */
export interface WantedIndex {
  readonly collection: string;
  readonly name: string;
  readonly key: Readonly<Record<string, unknown>>;
  readonly options: IndexOptions;
  /** The gateway may create it without approval. */
  readonly isOwn: boolean;
  /** Queries name it in `hint`, so an index of another name is of no use. */
  readonly isHinted: boolean;
  /** What happens without it, from the `comment` of its declaration; absent: as for most of its kind. */
  readonly consequence?: string;
}

/** The options that define an index. */
interface IndexOptions {
  readonly unique?: boolean;
  readonly sparse?: boolean;
  readonly expireAfterSeconds?: number;
  readonly partialFilterExpression?: object;
  readonly collation?: IndexCollation;
}

/** How an index compares texts; absent: by code point. */
interface IndexCollation {
  readonly locale: string;
  readonly strength: number;
}

/** The collection whose indexes are named in hints, and without which queries fail. */
const HINTED_COLLECTION = 'conversation.members';

/** The indexes of the models. @param ownsAll no other service uses the database, as with the embedded one */
export function wantedIndexes(models: readonly Model<never>[], { ownsAll }: { ownsAll: boolean }): WantedIndex[] {
  return models.flatMap((model) => {
    const collection = model.collection.collectionName;
    const isOwn = ownsAll || !platformCollections.has(collection);
    return model.schema.indexes().map(([key, given]): WantedIndex => {
      const { name, unique, sparse, expireAfterSeconds, partialFilterExpression, collation, comment } = given;
      return {
        collection,
        name: name ?? defaultName(key),
        key,
        options: {
          ...(unique === true && { unique }),
          ...(sparse === true && { sparse }),
          ...(typeof expireAfterSeconds === 'number' && { expireAfterSeconds }),
          ...(partialFilterExpression !== undefined && { partialFilterExpression }),
          ...(collation !== undefined && { collation: collation as IndexCollation }),
        },
        isOwn,
        isHinted: name !== undefined && (collection === HINTED_COLLECTION || collation !== undefined),
        ...(typeof comment === 'string' && { consequence: comment }),
      };
    });
  });
}

const defaultName = (key: object): string =>
  Object.entries(key)
    .map(([field, direction]) => `${field}_${direction}`)
    .join('_');

/** Whether the gateway depends on the index, so it must exist before requests are served. */
export const isNeededFirst = ({ collection, options, isHinted }: WantedIndex): boolean =>
  options.unique === true || (isHinted && collection === HINTED_COLLECTION);

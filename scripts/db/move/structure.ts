import type { mongo } from 'mongoose';
import { mongo as driver } from 'mongoose';
import type { Collection } from '../../../src/embedded/engine/collection.js';
import type { CollectionPair } from './documents.js';

type Specification = Record<string, unknown>;

/** Options that a server reports with defaults of its own, or that belong to another one. */
const LOCAL_FIELDS: ReadonlySet<string> = new Set(['v', 'ns', 'background']);

/**
 * Creates the collection with the options that it has in the source.
 * @throws Error when it exists with other options
 */
export async function ensureCollection({ source, db }: CollectionPair): Promise<void> {
  const [existing] = await db.listCollections({ name: source.name }).toArray();
  if (existing === undefined) {
    await db.command({ create: source.name, ...source.options });
    return;
  }
  const options = (existing as { options?: Specification }).options ?? {};
  const others = Object.entries(source.options).filter(([name, value]) => !isIncluded(value, options[name]));
  const isOther = options['collation'] !== undefined && source.options['collation'] === undefined;
  if (others.length === 0 && !isOther && options['capped'] === source.options['capped']) return;
  throw new Error(
    `${db.databaseName}.${source.name} exists with other options: ${text(options)} instead of ${text(source.options)}. Drop it, or choose another database`,
  );
}

/** Whether a server reports at least these options. It adds its defaults to a collation. */
const isIncluded = (wanted: unknown, reported: unknown): boolean =>
  typeof wanted === 'object' && wanted !== null && !('_bsontype' in wanted)
    ? Object.entries(wanted).every(
        ([name, value]) => text((reported as Specification | undefined)?.[name]) === text(value),
      )
    : text(wanted) === text(reported);

const text = (value: unknown): string => driver.BSON.EJSON.stringify(value ?? null);

/** The indexes of a collection but `_id_`, as specifications for `createIndexes`. */
export const indexesOf = ({ indexes, collation }: Collection): Specification[] =>
  [...indexes.values()]
    .filter(({ name }) => name !== '_id_')
    .map(({ definition: { spec } }) =>
      // An index without a collation would inherit that of the collection.
      collation && spec['collation'] === undefined ? { ...spec, collation: { locale: 'simple' } } : spec,
    );

/** @returns whether documents expire by the index */
export const isExpiring = (index: Specification): boolean => index['expireAfterSeconds'] !== undefined;

/** Creates indexes that are missing. @throws Error when another index is in the way */
export async function createIndexes({ source, db }: CollectionPair, indexes: readonly Specification[]): Promise<void> {
  if (indexes.length === 0) return;
  await db.command({ createIndexes: source.name, indexes: [...indexes], writeConcern: { w: 'majority' } });
}

/** The indexes of the target. */
export const readIndexes = async ({ source, db }: CollectionPair): Promise<Specification[]> =>
  (await db
    .collection(source.name)
    .listIndexes()
    .toArray()
    .catch((error: mongo.MongoServerError) => {
      if (error.codeName === 'NamespaceNotFound') return [];
      throw error;
    })) as Specification[];

/** @returns one sentence for each index that differs */
export async function compareIndexes(pair: CollectionPair): Promise<string[]> {
  const existing = new Map((await readIndexes(pair)).map((index) => [index['name'], index]));
  return indexesOf(pair.source).flatMap((wanted) => {
    const found = existing.get(wanted['name']);
    if (found && isSame(wanted, found)) return [];
    return [`the index ${wanted['name']} is ${found ? `${text(found)} instead of ${text(wanted)}` : 'missing'}`];
  });
}

function isSame(wanted: Specification, found: Specification): boolean {
  const relevant = (index: Specification): string[] =>
    Object.entries(index)
      .filter(([name, value]) => !LOCAL_FIELDS.has(name) && name !== 'collation' && value !== false)
      .map(([name, value]) => `${name}: ${text(value)}`)
      .sort();
  return text(relevant(wanted)) === text(relevant(found)) && isSameCollation(wanted['collation'], found['collation']);
}

/** A server reports no collation for `simple`, and all fields of others. */
function isSameCollation(wanted: unknown, found: unknown): boolean {
  const isSimple = (wanted as Specification | undefined)?.['locale'] === 'simple' || wanted === undefined;
  return isSimple ? found === undefined : found !== undefined && isIncluded(wanted, found);
}

import { type Connection, mongo as driver, type Model } from 'mongoose';
import type { MessageOf } from '../../logging/events.js';
import type { Logger } from '../../logging/logger.js';
import { StartError } from '../../start-error.js';
import { isDuplicateKey } from '../duplicate-key.js';
import { compareIndex, existingIndexes } from './compare.js';
import { type IndexProblem, maskKey, toConflict, toDuplicates, toMissing } from './report.js';
import { isNeededFirst, type WantedIndex, wantedIndexes } from './wanted.js';

export type { IndexProblem } from './report.js';

/** Codes of index commands for a conflicting index or conflicting documents. */
const CONFLICT_CODES: ReadonlySet<unknown> = new Set([85, 86]);
/** Time limit of the search for an example of two documents with the same key. */
const EXAMPLE_MAX_TIME_MS = 5000;

/** Differences between existing and wanted indexes. */
export interface IndexReview {
  /** Missing, and can be created. */
  readonly missing: readonly WantedIndex[];
  readonly conflicts: readonly IndexProblem[];
  /** Empty collections, where creating an index is free. */
  readonly empty: ReadonlySet<string>;
}

/** Selects the indexes. */
export interface IndexOptions {
  readonly models: Readonly<Record<string, object>>;
  /** No other service uses the database, as with the embedded one. */
  readonly ownsAll: boolean;
}

/** The driver's collection, independent of models. */
function collectionOf({ db }: Connection, name: string): driver.Collection {
  if (db === undefined) throw new Error('the database is not connected');
  return db.collection(name);
}

/** Compares the indexes; changes nothing. */
export async function reviewIndexes(connection: Connection, options: IndexOptions): Promise<IndexReview> {
  const wanted = wantedIndexes(Object.values(options.models) as Model<never>[], options);
  const collections = [...new Set(wanted.map(({ collection }) => collection))];
  const existing = new Map(
    await Promise.all(
      collections.map(async (name) => [name, await existingIndexes(collectionOf(connection, name))] as const),
    ),
  );
  const standings = wanted.map((index) => ({
    index,
    standing: compareIndex(index, existing.get(index.collection) ?? []),
  }));
  const missing = standings.flatMap(({ index, standing }) => (standing.kind === 'missing' ? index : []));
  const incomplete = [...new Set(missing.map(({ collection }) => collection))];
  const isEmpty = await Promise.all(
    incomplete.map(
      async (name) => (await collectionOf(connection, name).findOne({}, { projection: { _id: 1 } })) === null,
    ),
  );
  return {
    missing,
    conflicts: standings.flatMap(({ index, standing }) =>
      standing.kind === 'conflict' ? toConflict(index, standing.with) : [],
    ),
    empty: new Set(incomplete.filter((_, position) => isEmpty[position])),
  };
}

/** Creates an index. @returns the problem, if it cannot be created */
async function createIndex(connection: Connection, index: WantedIndex): Promise<IndexProblem | undefined> {
  const { collection, key, name, options } = index;
  try {
    await collectionOf(connection, collection).createIndex(key as never, { name, ...options });
    return undefined;
  } catch (error) {
    if (!(error instanceof driver.MongoServerError)) throw error;
    if (isDuplicateKey(error)) return toDuplicates(index, await exampleOf(connection, index, error));
    if (!CONFLICT_CODES.has(error.code)) throw error;
    const others = await existingIndexes(collectionOf(connection, collection));
    const standing = compareIndex(index, others);
    // Another node may have created it since the review.
    if (standing.kind === 'there') return undefined;
    return toConflict(index, standing.kind === 'conflict' ? standing.with : { name: '?', key: {} });
  }
}

/** An example of two documents with the same key, by id. */
async function exampleOf(
  connection: Connection,
  { collection, options }: WantedIndex,
  { keyValue }: driver.MongoServerError,
): Promise<string> {
  if (typeof keyValue !== 'object' || keyValue === null) return '';
  const filter = { $and: [keyValue, options.partialFilterExpression ?? {}] };
  const found = await collectionOf(connection, collection)
    .find(filter, { projection: { _id: 1 }, limit: 2, maxTimeMS: EXAMPLE_MAX_TIME_MS })
    .toArray()
    .catch(() => []);
  const ids = found.length === 2 ? ` (_id ${found.map(({ _id }) => String(_id)).join(' and ')})` : '';
  return `, for example ${maskKey(keyValue)}${ids}`;
}

/** Index builds that run while the gateway serves. */
export interface IndexBuilds {
  /** Starts the builds. Never rejects; failures are logged. */
  build(): Promise<void>;
}

/**
 * Creates the gateway's own indexes. Before the gateway serves, it creates required indexes and those on empty
 * collections; the others are built later, because large collections take time. Missing indexes of the platform's
 * collections are logged in one message.
 * @throws StartError with each required index that cannot be created
 */
export async function ensureIndexes(
  connection: Connection,
  { logger, ...options }: IndexOptions & { logger: Logger },
): Promise<IndexBuilds> {
  const { missing, conflicts, empty } = await reviewIndexes(connection, options);
  const own = missing.filter(({ isOwn }) => isOwn);
  const isFirst = (index: WantedIndex): boolean => isNeededFirst(index) || empty.has(index.collection);
  const failed = await createAll(connection, own.filter(isFirst));
  const ownProblems = [...conflicts.filter(({ index }) => index.isOwn), ...failed];
  const fatal = ownProblems.filter(({ index }) => isNeededFirst(index));
  if (fatal.length > 0) throw new StartError('MONGODB', toText(fatal));
  warn(logger, ownProblems, 'database: indexes of the gateway could not be created');
  const ofPlatform = [
    ...missing.filter(({ isOwn }) => !isOwn).map(toMissing),
    ...conflicts.filter(({ index }) => !index.isOwn),
  ];
  warn(
    logger,
    ofPlatform,
    'database: these indexes are managed by the platform; npm run indexes -- --apply creates them',
  );
  const later = own.filter((index) => !isFirst(index));
  return {
    async build() {
      if (later.length === 0) return;
      try {
        warn(logger, await createAll(connection, later), 'database: indexes of the gateway could not be created');
        logger.info(
          { indexes: later.map(({ collection, name }) => `${collection}: ${name}`) },
          'database: indexes built',
        );
      } catch (err) {
        logger.error({ err }, 'database: building indexes failed; the next start retries');
      }
    },
  };
}

/** Creates indexes, sequentially within a collection. @returns the problems */
export async function createAll(connection: Connection, indexes: readonly WantedIndex[]): Promise<IndexProblem[]> {
  const collections = [...new Set(indexes.map(({ collection }) => collection))];
  const problems = await Promise.all(
    collections.map(async (name) => {
      const found: IndexProblem[] = [];
      for (const index of indexes.filter(({ collection }) => collection === name)) {
        const problem = await createIndex(connection, index);
        if (problem !== undefined) found.push(problem);
      }
      return found;
    }),
  );
  return problems.flat();
}

function warn(logger: Logger, problems: readonly IndexProblem[], message: MessageOf<'warn'>): void {
  if (problems.length === 0) return;
  const indexes = problems.map(({ sentence, command }) => ({ sentence, command }));
  logger.warn({ indexes }, message);
}

const toText = (problems: readonly IndexProblem[]): string =>
  problems.map(({ sentence, command }) => `${sentence}. To fix it: ${command}`).join('\n');

import { ConnectionString } from 'mongodb-connection-string-url';
import { mongo } from 'mongoose';
import { fixedOptions } from '../../../src/platform/mongo/options.js';
import { parseMongoUrl } from '../../../src/platform/mongo/url.js';
import { compareDocuments, type Difference } from './compare.js';
import { type CollectionPair, deleteAll, insertAll } from './documents.js';
import { createProgress, type Progress } from './progress.js';
import { openSource, toTargetNames } from './source.js';
import { compareIndexes, createIndexes, ensureCollection, indexesOf, isExpiring, readIndexes } from './structure.js';

/** What to move. */
export interface MoveOptions {
  /** A directory, or a backup. */
  readonly from: string;
  /** The connection string of the target, with the name of the database. */
  readonly url: string;
  /** Whether documents of the target may be deleted and replaced. */
  readonly isReplacing: boolean;
  print(line: string): void;
}

/** A collection with what the target lacks. */
interface Step extends CollectionPair {
  readonly difference: Difference;
}

const SELECTION_TIMEOUT_MS = 30_000;

/**
 * Copies all collections to a MongoDB, and compares everything afterwards. It can be repeated after it was interrupted at
 * any moment: only what differs is written.
 * @throws Error when the target has other data and `isReplacing` is not set
 */
export async function move({ from, url: text, isReplacing, print }: MoveOptions): Promise<void> {
  const { url } = parseMongoUrl(text);
  const name = decodeURIComponent(new ConnectionString(url).pathname.slice(1));
  if (name === '') throw new Error('The URL names no database: add it as in mongodb://host/general-socket');
  const client = new mongo.MongoClient(url, {
    ...fixedOptions,
    serverSelectionTimeoutMS: SELECTION_TIMEOUT_MS,
    appName: 'general-socket-move',
  });
  const source = await openSource(from);
  const progress = createProgress(print);
  try {
    await client.connect();
    const names = toTargetNames(source.collections, name);
    const pairs = source.collections.map((collection) => ({
      source: collection,
      db: client.db(names.get(collection.database)),
    }));
    const steps: Step[] = [];
    for (const pair of pairs) steps.push({ ...pair, difference: await compare(pair, progress) });
    if (!isReplacing) await ensureNoOtherData(steps);
    for (const step of steps) await copy(step, progress);
    await verify(pairs, progress);
    for (const pair of pairs) await createIndexes(pair, indexesOf(pair.source));
    await ensureSame(pairs, compareIndexes);
    const documents = pairs.reduce((sum, pair) => sum + pair.source.records.size, 0);
    const indexes = pairs.reduce((sum, pair) => sum + indexesOf(pair.source).length, 0);
    print(`Everything is equal: ${pairs.length} collections, ${documents} documents, ${indexes} indexes.`);
    if (source.isRunning) {
      print('The gateway was running. Stop it, and run this again with --replace for what it has written since.');
    }
  } finally {
    progress.end();
    await client.close();
    source.close();
  }
}

async function compare(pair: CollectionPair, progress: Progress): Promise<Difference> {
  const { source, db } = pair;
  const { onStep } = progress.begin(`comparing ${source.namespace}`, source.records.size);
  const hasExpiry = (await readIndexes(pair)).some(isExpiring);
  return compareDocuments(source, db.collection(source.name), { hasExpiry, onRead: () => onStep(1) });
}

/** @throws Error naming the data of the target that are not in the source */
async function ensureNoOtherData(steps: readonly Step[]): Promise<void> {
  const others: string[] = [];
  for (const { source, db, difference } of steps) {
    const { surplus, changed } = difference;
    if (surplus.length + changed.length === 0) continue;
    others.push(
      `${db.databaseName}.${source.name}: ${surplus.length} documents are not in the source, ${changed.length} differ`,
    );
  }
  for (const db of new Map(steps.map((step) => [step.db.databaseName, step.db])).values()) {
    const own = new Set(
      steps.filter((step) => step.db.databaseName === db.databaseName).map(({ source }) => source.name),
    );
    for (const { name } of await db.listCollections({}, { nameOnly: true }).toArray()) {
      if (own.has(name) || name.startsWith('system.')) continue;
      if ((await db.collection(name).findOne({}, { projection: { _id: 1 } })) !== null) {
        others.push(`${db.databaseName}.${name}: this collection is not in the source`);
      }
    }
  }
  if (others.length === 0) return;
  throw new Error(
    `The target has other data:\n  ${others.join('\n  ')}\nWith --replace the first are made equal to the source; collections that are not in the source stay as they are.`,
  );
}

async function copy({ difference, ...pair }: Step, progress: Progress): Promise<void> {
  const { missing, changed, changedIds, surplus } = difference;
  await ensureCollection(pair);
  // Before the insertion of others with the same unique keys.
  await deleteAll(pair, [...surplus, ...changedIds]);
  const keys = [...missing, ...changed];
  const { onStep } = progress.begin(`copying ${pair.source.namespace}`, keys.length);
  await insertAll(pair, keys, onStep);
  // Documents that have expired are deleted as soon as their index exists.
  await createIndexes(
    pair,
    indexesOf(pair.source).filter((index) => !isExpiring(index)),
  );
}

/** @throws Error when a document is missing, differs or is not in the source */
async function verify(pairs: readonly CollectionPair[], progress: Progress): Promise<void> {
  await ensureSame(pairs, async (pair) => {
    const { missing, changed, surplus, count } = await compare(pair, progress);
    if (missing.length + changed.length + surplus.length === 0) return [];
    return [
      `${count} of ${pair.source.records.size} documents; ${missing.length} are missing, ${changed.length} differ, ${surplus.length} are not in the source`,
    ];
  });
}

async function ensureSame(
  pairs: readonly CollectionPair[],
  differencesOf: (pair: CollectionPair) => Promise<readonly string[]>,
): Promise<void> {
  const found: string[] = [];
  for (const pair of pairs) {
    const differences = await differencesOf(pair);
    found.push(...differences.map((difference) => `${pair.source.namespace}: ${difference}`));
  }
  if (found.length > 0) throw new Error(`The target is not equal to the source:\n  ${found.join('\n  ')}`);
}

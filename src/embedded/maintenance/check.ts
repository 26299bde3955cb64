import { isDeepStrictEqual } from 'node:util';
import type { Document } from '../bson/values.js';
import type { Collection } from '../engine/collection.js';
import type { Database } from '../engine/database.js';
import { describeCounts, validateCollection } from '../engine/validate.js';
import { SIZE_RECORD_NAME } from '../store/size-record.js';
import type { LogFile } from '../store/storage.js';
import { openBackup } from './backup-file.js';
import { loadLog, type Snapshot } from './snapshot.js';

/** What {@link checkSnapshot} and {@link checkBackup} found. */
export interface CheckReport {
  /** One sentence for each problem; empty when everything is right. */
  readonly problems: readonly string[];
  /** Numbers of each collection that could be read. */
  readonly collections: readonly Document[];
  readonly frameCount: number;
}

/** Validates a collection of the running database. @returns its errors */
export type ValidateRunning = (database: string, collection: string) => Promise<readonly string[]>;

/**
 * Checks every frame of the log, and the indexes and numbers of all collections. If a database runs on the directory, its
 * memory is compared with its log, and its indexes with its documents.
 */
export async function checkSnapshot(snapshot: Snapshot, validate: ValidateRunning): Promise<CheckReport> {
  const { review, file, running, isSizeRecordDamaged } = snapshot;
  const problems: string[] = [];
  if (isSizeRecordDamaged) problems.push(`${SIZE_RECORD_NAME} is damaged; the next start writes it again`);
  if (review.damage !== undefined) problems.push(`${review.damage}: ${toRemedy(review.isDurableDataLost)}`);
  const loaded = await checkLog(file);
  problems.push(...loaded.problems);
  if (running) {
    problems.push(...compareCounts(loaded.collections, running.collections));
    for (const { db, name } of running.collections) {
      const errors = await validate(String(db), String(name));
      problems.push(...errors.map((error) => `${db}.${name} in memory: ${error}`));
    }
  }
  return { problems, collections: loaded.collections, frameCount: review.frameCount };
}

const toRemedy = (isDurableDataLost: boolean): string =>
  isDurableDataLost
    ? 'restore a backup; a start with --repair continues without what is lost'
    : 'a crash can leave this of the last write, which was not acknowledged; the next start cuts it off';

/** Checks every byte of a backup, and what it contains. */
export async function checkBackup(path: string): Promise<Omit<CheckReport, 'frameCount'>> {
  try {
    const backup = await openBackup(path);
    try {
      return await checkLog(backup.log);
    } finally {
      backup.close();
    }
  } catch (error) {
    return { problems: [(error as Error).message], collections: [] };
  }
}

async function checkLog(file: LogFile): Promise<Omit<CheckReport, 'frameCount'>> {
  let database: Database;
  try {
    database = loadLog(file);
  } catch (error) {
    return { problems: [`the log cannot be read: ${(error as Error).message}`], collections: [] };
  }
  const problems: string[] = [];
  const collections = allCollections(database);
  for (const collection of collections) {
    const errors = await validateCollection(collection);
    problems.push(...errors.map((error) => `${collection.namespace}: ${error}`));
  }
  return { problems, collections: collections.map(describeCounts) };
}

/** All collections of a database, by database and in the order of their creation. */
export const allCollections = (database: Database): Collection[] =>
  database.databaseNames().flatMap((name) => database.collectionsOf(name));

function compareCounts(inLog: readonly Document[], inMemory: readonly Document[]): string[] {
  const describe = (counts: Document | undefined): string => (counts ? JSON.stringify(counts) : 'nothing');
  const keyOf = ({ db, name }: Document): string => `${db}.${name}`;
  const byKey = new Map(inMemory.map((counts) => [keyOf(counts), counts]));
  const keys = new Set([...inLog.map(keyOf), ...byKey.keys()]);
  return [...keys].flatMap((key) => {
    const stored = inLog.find((counts) => keyOf(counts) === key);
    return isDeepStrictEqual(stored, byKey.get(key))
      ? []
      : [`${key}: the log has ${describe(stored)}, the running database has ${describe(byKey.get(key))}`];
  });
}

import { Types } from 'mongoose';
import { createGroupLoader } from '../../../platform/concurrency/batcher.js';
import { groupByUser } from './group-by-user.js';

interface Options<Item> {
  /** Reads the newest documents of a user, or of any of several users. @param whose matches the ids of the users */
  readonly find: (whose: object, limit: number) => Promise<Item[]>;
  /** Ids of the users of a document. */
  readonly usersOf: (item: Item) => readonly string[];
  /** Documents of one user that are read. */
  readonly ownMax: number;
  /** Users in one query, and the documents that it reads. */
  readonly usersMax: number;
  readonly documentsMax: number;
  /** Users of all documents of one query. */
  readonly namesMax?: number;
}

/**
 * Reads the newest documents of users. The users of all calls in one event loop iteration share a query, unless it finds so much
 * that the newest of one of them may be missing: then each is read alone.
 */
export function createNewestByUser<Item>({
  find,
  usersOf,
  ownMax,
  usersMax,
  documentsMax,
  namesMax = Number.POSITIVE_INFINITY,
}: Options<Item>) {
  /** `undefined`: there are too many. */
  const readTogether = async (ids: readonly string[]): Promise<ReadonlyMap<string, Item[]> | undefined> => {
    const found = await find({ $in: ids.map((id) => new Types.ObjectId(id)) }, documentsMax);
    const names = found.reduce((sum, item) => sum + usersOf(item).length, 0);
    if (found.length === documentsMax || names > namesMax) return undefined;
    const groups = groupByUser(found, usersOf, new Set(ids));
    // Otherwise the newest of this user would have to be found.
    return [...groups.values()].some(({ length }) => length > ownMax) ? undefined : groups;
  };
  const readAlone = async (id: string) => [id, await find(new Types.ObjectId(id), ownMax)] as const;

  return createGroupLoader<Item[]>(async (ids) => {
    const together = ids.length > 1 ? await readTogether(ids) : undefined;
    return together ?? new Map(await Promise.all(ids.map(readAlone)));
  }, usersMax);
}

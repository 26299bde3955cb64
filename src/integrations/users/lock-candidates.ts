import { type mongo, Schema, type Types } from 'mongoose';
import type { Models } from '#shared/models/index.js';
import { isServerError } from '../../platform/mongo/errors.js';
import type { Clock } from '../../platform/time/clock.js';

/** Fields by which a user can be locked. */
const FIELDS = ['isActive', 'status', 'blockedUntil'] as const;

/** Matches the users who may be locked, whatever types are stored. Each branch is a range of an index. */
const MAY_BE_LOCKED = {
  $or: [
    { isActive: { $in: [...Schema.Types.Boolean.convertToFalse] } },
    { status: { $lt: 'active' } },
    { status: { $gt: 'active' } },
    { blockedUntil: { $type: ['date', 'number', 'string'] } },
  ],
};

/** How long the indexes are relied on before they are listed again. */
const INDEXES_MS = 60_000;
/** An index may be dropped in the meantime. Then the query reads all users, at most for this long. */
const SEARCH_MAX_MS = 500;

/**
 * Searches for all users who may be locked. It reads these alone, in one query, so it is cheap as long as they are few.
 * @returns the search. Its parameter is how many are too many. Its result is `undefined` when there are too many, when an index is
 *   missing, or when the database is too slow.
 */
export function createLockCandidateSearch({ User }: Pick<Models, 'User'>, clock: Clock) {
  /** Until when all indexes are assumed to exist, by the clock. */
  let indexedUntil = 0;

  const areIndexed = async (): Promise<boolean> => {
    if (clock.now() < indexedUntil) return true;
    const indexes = await User.collection.indexes().catch(orNone('NAMESPACE_NOT_FOUND'));
    const first = new Set((indexes ?? []).filter(servesAnyQuery).map(({ key }) => Object.keys(key)[0]));
    if (!FIELDS.every((field) => first.has(field))) return false;
    indexedUntil = clock.now() + INDEXES_MS;
    return true;
  };

  return async function findLockCandidates(limit: number): Promise<Types.ObjectId[] | undefined> {
    if (!(await areIndexed())) return undefined;
    const options = { projection: { _id: 1 }, limit, batchSize: limit, maxTimeMS: SEARCH_MAX_MS };
    const found = await User.collection.find(MAY_BE_LOCKED, options).toArray().catch(orNone('MAX_TIME_EXPIRED'));
    if (found === undefined) indexedUntil = 0;
    return found === undefined || found.length === limit ? undefined : found.map(({ _id }) => _id);
  };
}

/** Whether MongoDB uses an index for its first field in any query that does not name a collation. */
const servesAnyQuery = ({ hidden, partialFilterExpression, collation }: mongo.IndexDescriptionInfo): boolean =>
  hidden !== true && partialFilterExpression === undefined && collation === undefined;

/** Turns this error of the database into `undefined`. */
const orNone =
  (name: Parameters<typeof isServerError>[1]) =>
  (error: unknown): undefined => {
    if (isServerError(error, name)) return undefined;
    throw error;
  };

import { isObjectIdOrHexString, Types } from 'mongoose';
import type { Models } from '#shared/models/index.js';
import type { User } from '#shared/models/user.js';
import { readStored } from '../../models/index.js';
import { createGroupLoader, createLoader } from '../../platform/concurrency/batcher.js';
import { type Person, type Relations, toRelations } from './people.js';

/** Blocks of one user that are read, and of all users in one query. */
const BLOCKS_MAX = 10_000;
/** Users in one query. */
const GROUP_MAX = 1000;

type Blocker = Pick<Person, '_id' | 'blocked'>;

/** What conversations show of a user, and their own blocks. */
export const blockedUserFields = [
  'name',
  'firstName',
  'lastName',
  'email',
  'image',
  'conversation_active_status',
  'blockedUsers',
] as const;

/** They are read together with what relates a user to others. */
const readFields = [...blockedUserFields, 'account', 'joinedGroups'] as const;

type StoredUser = Pick<User, (typeof readFields)[number]> & { _id: Types.ObjectId };

const projection = Object.fromEntries(readFields.map((field) => [field, 1]));

/** A user, and ids of all users with whom they have a block. */
export interface BlockedUser {
  readonly user: StoredUser;
  readonly relations: Relations;
  readonly blocked: ReadonlySet<string>;
}

/** An empty set that is shared, because most users have no block. */
export const NO_USERS: ReadonlySet<string> = new Set();

/** Which users have a block between them (`blockedUsers`), by either; ids are ObjectIds in lower case. */
export type Blocks = ReturnType<typeof createBlocks>;

/**
 * Reads blocks where they are needed and keeps none, so a new block counts at once. Reads in one event loop iteration share a
 * query.
 */
export function createBlocks({ User }: Pick<Models, 'User'>) {
  /** Ids of users who have blocked a user. Other services store ids as text too, which Mongoose would convert. */
  const blockersOf = async (user: Types.ObjectId, among: object = {}): Promise<string[]> => {
    const query = { ...among, blockedUsers: { $in: [user, user.toHexString()] } };
    const found = await User.collection.find(query, { projection: { _id: 1 }, limit: BLOCKS_MAX }).toArray();
    return found.map(({ _id }) => String(_id));
  };

  /** The same for many users. Those of one who blocks many are not read for all. */
  const blockersOfMany = async (ids: readonly string[]): Promise<ReadonlyMap<string, readonly string[]>> => {
    const objectIds = ids.map((id) => new Types.ObjectId(id));
    const readEach = async () =>
      new Map(await Promise.all(objectIds.map(async (id) => [id.toHexString(), await blockersOf(id)] as const)));
    if (ids.length === 1) return readEach();
    const query = { blockedUsers: { $in: [...objectIds, ...ids] } };
    const options = { projection: { blockedUsers: 1 }, limit: BLOCKS_MAX };
    const found = await User.collection.find(query, options).toArray();
    if (found.length === BLOCKS_MAX) return readEach();
    return groupBlockers(found);
  };
  const blockersByUser = createLoader(blockersOfMany, GROUP_MAX);

  /** A user and those who have blocked them: in one query, for all users of an event loop iteration. */
  const readWithBlocks = createGroupLoader<BlockedUser>(async (ids) => {
    const own = ids.map((id) => new Types.ObjectId(id));
    const query = { $or: [{ _id: { $in: own } }, { blockedUsers: { $in: [...own, ...ids] } }] };
    const options = { projection, limit: BLOCKS_MAX };
    const found = await User.collection.find(query, options).toArray();
    const users = found.map((user) => readStored<StoredUser>(User as never, user, projection));
    const isComplete = found.length < BLOCKS_MAX;
    const known = isComplete ? users : await User.find({ _id: { $in: own } }, projection).lean<StoredUser[]>();
    const readers = new Map(known.map((user) => [user._id.toHexString(), user]));
    const blockers = isComplete ? groupBlockers(users) : await blockersOfMany(ids);
    return new Map(
      ids.flatMap((id): [string, BlockedUser][] => {
        const user = readers.get(id);
        if (user === undefined) return [];
        const relations = toRelations(user);
        return [[id, { user, relations, blocked: new Set([...relations.blocked, ...(blockers.get(id) ?? [])]) }]];
      }),
    );
  }, GROUP_MAX);

  /** Every user with whom a user has a block. */
  const all = async (user: Types.ObjectId, blocked: readonly string[]): Promise<Set<string>> =>
    new Set([...blocked, ...((await blockersByUser(user.toHexString())) ?? [])]);

  /** Whether any of some users has a block with any of others. */
  const isBetween = async (ones: readonly string[], others: readonly string[]): Promise<boolean> => {
    const ids = [...new Set([...ones, ...others])];
    const objectIds = ids.map((id) => new Types.ObjectId(id));
    const query = { _id: { $in: objectIds }, blockedUsers: { $in: [...objectIds, ...ids] } };
    const found = await User.collection.find(query, { projection: { blockedUsers: 1 } }).toArray();
    const [isOne, isOther] = [new Set(ones), new Set(others)];
    return found.some(({ _id, blockedUsers }) => {
      const id = String(_id);
      const blocked = [blockedUsers].flat().map(String);
      return blocked.some(
        (it) => it !== id && ((isOne.has(id) && isOther.has(it)) || (isOther.has(id) && isOne.has(it))),
      );
    });
  };

  /** A user with their blocks; `undefined` for a user who does not exist. Calls in one event loop iteration share a query. */
  const withUser = async (userId: string): Promise<BlockedUser | undefined> => {
    if (!isObjectIdOrHexString(userId)) return undefined;
    const id = userId.toLowerCase();
    return (await readWithBlocks([id])).get(id);
  };

  return {
    all,
    isBetween,
    /** The same for a user of whom only the id is known; empty for a user who does not exist. */
    of: async (userId: string): Promise<ReadonlySet<string>> => (await withUser(userId))?.blocked ?? NO_USERS,
    withUser,
    /** The same for many. Users who do not exist are missing. @param ids ObjectIds in lower case */
    withUsers: readWithBlocks,
    /** Those of some users with whom a user has a block. */
    async among({ _id, blocked }: Blocker, others: readonly Types.ObjectId[]): Promise<Set<string>> {
      if (others.length === 0) return new Set();
      const own = others.map((id) => id.toHexString()).filter((id) => blocked.includes(id));
      return new Set([...own, ...(await blockersOf(_id, { _id: { $in: [...others] } }))]);
    },
  };
}

/** Ids of those who have blocked a user, by the id of that user. */
function groupBlockers(users: readonly { _id: unknown; blockedUsers?: unknown }[]): ReadonlyMap<string, string[]> {
  const blockers = new Map<string, string[]>();
  for (const { _id, blockedUsers } of users) {
    for (const id of new Set([blockedUsers ?? []].flat().map((one) => String(one).toLowerCase()))) {
      const own = blockers.get(id);
      if (own === undefined) blockers.set(id, [String(_id)]);
      else own.push(String(_id));
    }
  }
  return blockers;
}

/** As `among`, when the blockers among the others have been read already. */
export function blockedAmong(
  { id, blocked }: Pick<Person, 'id' | 'blocked'>,
  others: readonly Types.ObjectId[],
  read: readonly Pick<Relations, '_id' | 'blocked'>[],
): Set<string> {
  const own =
    blocked.length === 0 ? [] : others.map((other) => other.toHexString()).filter((one) => blocked.includes(one));
  return new Set([...own, ...read.filter((one) => one.blocked.includes(id)).map(({ _id }) => _id.toHexString())]);
}

/** Whether one of two users has blocked the other. */
export const isBlockBetween = (one: Person, other: Person): boolean =>
  one.blocked.includes(other.id) || other.blocked.includes(one.id);

/** Whether two users belong to one account. Users without an account count as of one common account. */
export const isSameAccount = (one: Person, other: Person): boolean => one.account === other.account;

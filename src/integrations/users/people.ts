import { isObjectIdOrHexString, Types } from 'mongoose';
import type { Models } from '#shared/models/index.js';
import type { User } from '#shared/models/user.js';
import { type Proof, proofOf, readStored } from '../../models/index.js';
import type { Clock } from '../../platform/time/clock.js';
import { createLockCandidateSearch } from './lock-candidates.js';
import { createNameSearch, type NamedUser } from './name-search.js';

/** A user of the chats, with the fields for access decisions and display. */
export interface Person {
  readonly _id: Types.ObjectId;
  readonly id: string;
  /** Display name: first and last name, else the name. */
  readonly name: string;
  readonly image: string | null;
  readonly role: 'user' | 'agent' | 'admin';
  /** The account id; `''` for a user without one. */
  readonly account: string;
  /** Ids of users that this user has blocked. */
  readonly blocked: readonly string[];
  readonly groups: readonly string[];
}

/** What relates a user to others, whether they have access or not. */
export interface Relations extends Pick<Person, '_id' | 'account' | 'blocked' | 'groups'> {}

/** A user, and those of some others who can change what happens between them. */
export interface Circle {
  /** `undefined`: unknown, or without access. */
  readonly person: Person | undefined;
  /** Matches the user only while all but the role and the groups is as read. */
  readonly proof?: Proof | undefined;
  /** Others who have blocked the user, and those who meet one of the conditions. */
  readonly others: readonly Relations[];
}

/** Who a user is; `''` where the platform has nothing. */
interface Profile {
  readonly name: string;
  readonly accountId: string;
}

/** Reads users and decides who has access. */
export type People = ReturnType<typeof createPeople>;

const shownFields = {
  account: 1,
  name: 1,
  firstName: 1,
  lastName: 1,
  image: 1,
  role: 1,
  status: 1,
  isActive: 1,
  blockedUntil: 1,
  blockedUsers: 1,
  joinedGroups: 1,
} as const;

/** The fields of a {@link Circle.proof}. */
const provenFields = [
  'account',
  'name',
  'firstName',
  'lastName',
  'image',
  'status',
  'isActive',
  'blockedUntil',
  'blockedUsers',
] as const;

const accessFields = { status: 1, isActive: 1, blockedUntil: 1 } as const;

type StoredAccess = Pick<User, keyof typeof accessFields> & { _id: Types.ObjectId };

type StoredPerson = Pick<User, keyof typeof shownFields> & { _id: Types.ObjectId };

interface Dependencies {
  readonly models: Pick<Models, 'User'>;
  readonly clock: Clock;
  readonly steadyClock: Clock;
}

/** Keeps no user in memory, so a lock counts from the next event on. */
export function createPeople({ models, clock, steadyClock }: Dependencies) {
  const read = async (ids: readonly string[]): Promise<Person[]> => {
    const known = ids.flatMap(toObjectId);
    if (known.length === 0) return [];
    const found = await readShown({ _id: { $in: known } }, known.length);
    const now = clock.now();
    return found.filter((user) => canAccess(user, now)).map(toPerson);
  };
  /** Through the driver, because each event of the chats begins with it. @param most documents that it can find */
  const readShown = async (filter: object, most: number): Promise<StoredPerson[]> => {
    const options = { projection: shownFields, batchSize: most + 1 };
    const found = await models.User.collection.find(filter, options).toArray();
    return found.map((user) => readStored<StoredPerson>(models.User as never, user, shownFields));
  };
  /** Ids, in lower case, of existing users without access. */
  const lockedOut = async (ids: readonly Types.ObjectId[]): Promise<Set<string>> => {
    if (ids.length === 0) return new Set();
    // Asked for nearly all users, and true of hardly any: Mongoose would take longer to convert the ids than all the rest.
    const candidates = await models.User.collection
      .find({ _id: { $in: [...ids] }, ...MAY_BE_LOCKED }, { projection: { _id: 1 }, batchSize: ids.length })
      .toArray();
    if (candidates.length === 0) return new Set();
    const among = { $in: candidates.map(({ _id }) => _id) };
    const found = await models.User.find({ _id: among, ...MAY_BE_LOCKED }, accessFields).lean<StoredAccess[]>();
    const now = clock.now();
    return new Set(found.filter((user) => !canAccess(user, now)).map(({ _id }) => _id.toHexString()));
  };

  const searchByName = createNameSearch(models, nameOf);

  return {
    lockedOut,
    /** Ids of all users who may be locked. */
    lockCandidates: createLockCandidateSearch(models, steadyClock),
    /** Existing users with access, unordered. */
    findMany: read,
    /** An existing user with access. */
    find: async (id: string): Promise<Person | undefined> => (await read([id]))[0],
    /**
     * A user and those of some others who concern them, in one query.
     * @param conditions on others who are to be found too, besides those who have blocked the user
     */
    async circleOf(id: string, others: readonly Types.ObjectId[], conditions: readonly object[] = []): Promise<Circle> {
      const [own] = toObjectId(id);
      if (own === undefined) return { person: undefined, others: [] };
      const concerns = [{ _id: own }, { blockedUsers: { $in: [own, own.toHexString()] } }, ...conditions];
      const found = await readShown({ _id: { $in: [own, ...others] }, $or: concerns }, others.length + 1);
      const user = found.find(({ _id }) => own.equals(_id));
      return {
        person: user !== undefined && canAccess(user, clock.now()) ? toPerson(user) : undefined,
        proof: user && proofOf(user, provenFields),
        others: found.filter((one) => one !== user).map(toRelations),
      };
    },
    /** A user regardless of access, for operators; `undefined`: unknown. */
    async profileOf(id: string): Promise<Profile | undefined> {
      const [own] = toObjectId(id);
      const [user] = own === undefined ? [] : await readShown({ _id: own }, 1);
      return user && { name: nameOf(user), accountId: accountOf(user) };
    },
    /**
     * Users whose name begins with a text, regardless of access, for operators.
     * @returns `undefined` when the database lacks an index for it
     */
    async searchByName(text: string, limit: number) {
      const found = await searchByName(text, limit);
      if (found === undefined) return undefined;
      const toFound = (user: NamedUser) => ({ id: String(user._id), name: nameOf(user), accountId: accountOf(user) });
      return { users: found.users.map(toFound), hasMore: found.hasMore };
    },
    /** Display names, regardless of access. Unknown users are omitted. */
    async namesOf(ids: readonly string[]): Promise<Map<string, string>> {
      const found = await models.User.find({ _id: { $in: ids } }, { name: 1, firstName: 1, lastName: 1 }).lean<
        StoredPerson[]
      >();
      return new Map(found.map((user) => [user._id.toHexString(), nameOf(user)]));
    },
  };
}

/** Matches every user who may be locked, for any stored types; `canAccess` decides. */
const MAY_BE_LOCKED = {
  $or: [{ isActive: { $nin: [null, true] } }, { status: { $nin: [null, 'active'] } }, { blockedUntil: { $ne: null } }],
};

const LOCKED = new Set(['blocked', 'banned', 'suspended', 'inactive', 'deactivated', 'deleted']);

/**
 * Whether a user may use the chats: not deactivated and not blocked. A block with a date ends on that date.
 * @param now Unix time in milliseconds
 */
function canAccess(
  { isActive, status, blockedUntil }: Pick<User, 'isActive' | 'status' | 'blockedUntil'>,
  now: number,
): boolean {
  if (isActive === false) return false;
  const until = blockedUntil?.getTime();
  if (until !== undefined && until > now) return false;
  const word = status?.trim().toLowerCase() ?? '';
  // An expired date ends a block, but does not reactivate an account.
  return !LOCKED.has(word) || (word === 'blocked' && until !== undefined);
}

/** The id of a user as the database has it; none for ids of another kind, which are of no user. */
export const toObjectId = (userId: string): Types.ObjectId[] =>
  isObjectIdOrHexString(userId) ? [new Types.ObjectId(userId)] : [];

/** The display name of a user. */
export const nameOf = ({ name, firstName, lastName }: Pick<User, 'name' | 'firstName' | 'lastName'>): string =>
  [firstName, lastName].filter(Boolean).join(' ') || (name ?? '');

/** The account id of a user; `''` for a user without one. */
export const accountOf = ({ account }: Pick<User, 'account'>): string => (account == null ? '' : String(account));

const toPerson = (user: StoredPerson): Person => ({
  ...toRelations(user),
  id: user._id.toHexString(),
  name: nameOf(user),
  image: user.image ?? null,
  role: user.role ?? 'user',
});

/** What a stored user relates to. */
export const toRelations = (
  user: Pick<StoredPerson, '_id' | 'account' | 'blockedUsers' | 'joinedGroups'>,
): Relations => ({
  _id: user._id,
  account: accountOf(user),
  blocked: (user.blockedUsers ?? []).map(String),
  groups: (user.joinedGroups ?? []).flatMap(({ groupType }) => groupType ?? []),
});

import { isObjectIdOrHexString, type Types } from 'mongoose';
import type { Models } from '#shared/models/index.js';
import type { User } from '#shared/models/user.js';
import type { Clock } from '../../platform/clock.js';

/** A user of the chats, with what is needed to decide what they may do and to name them. */
export interface Person {
  readonly _id: Types.ObjectId;
  readonly id: string;
  /** What others read: the first and the last name, or else the name. */
  readonly name: string;
  readonly image: string | null;
  readonly role: 'user' | 'agent' | 'admin';
  /** The id of the account; `''` for a user without one. */
  readonly account: string;
  /** Ids of those whom this person has blocked. */
  readonly blocked: readonly string[];
  readonly groups: readonly string[];
}

/** Reads users, and says who may still be here. */
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

const accessFields = { status: 1, isActive: 1, blockedUntil: 1 } as const;

type StoredAccess = Pick<User, keyof typeof accessFields> & { _id: Types.ObjectId };

type StoredPerson = Pick<User, keyof typeof shownFields> & { _id: Types.ObjectId };

export function createPeople({ models, clock }: { models: Pick<Models, 'User'>; clock: Clock }) {
  const read = async (ids: readonly string[]): Promise<Person[]> => {
    const known = ids.filter((id) => isObjectIdOrHexString(id));
    if (known.length === 0) return [];
    const found = await models.User.find({ _id: { $in: known } }, shownFields).lean<StoredPerson[]>();
    const now = clock.now();
    return found.filter((user) => canAccess(user, now)).map(toPerson);
  };
  /** Ids, in lower case, of those users who exist and may not enter. */
  const lockedOut = async (ids: readonly string[]): Promise<Set<string>> => {
    const known = ids.filter((id) => isObjectIdOrHexString(id));
    if (known.length === 0) return new Set();
    const found = await models.User.find({ _id: { $in: known }, ...SUSPICIOUS }, accessFields).lean<StoredAccess[]>();
    const now = clock.now();
    return new Set(found.filter((user) => !canAccess(user, now)).map(({ _id }) => _id.toHexString()));
  };

  return {
    lockedOut,
    /** Those of the users who exist and may enter, in no order. */
    findMany: read,
    /** A user who exists and may enter. */
    find: async (id: string): Promise<Person | undefined> => (await read([id]))[0],
    /** How users are named, whether they may enter or not. Unknown ones are missing. */
    async namesOf(ids: readonly string[]): Promise<Map<string, string>> {
      const found = await models.User.find({ _id: { $in: ids } }, { name: 1, firstName: 1, lastName: 1 }).lean<
        StoredPerson[]
      >();
      return new Map(found.map((user) => [user._id.toHexString(), nameOf(user)]));
    },
  };
}

/** Matches every user who may be locked out, whatever the types that another service has stored; `canAccess` decides. */
const SUSPICIOUS = {
  $or: [{ isActive: { $nin: [null, true] } }, { status: { $nin: [null, 'active'] } }, { blockedUntil: { $ne: null } }],
};

const LOCKED = new Set(['blocked', 'banned', 'suspended', 'inactive', 'deactivated', 'deleted']);

/**
 * Whether a user may use the chats: not deactivated, and not blocked, unless the block has a date and that has passed.
 * @param now Unix time in milliseconds
 */
function canAccess(
  { isActive, status, blockedUntil }: Pick<User, 'isActive' | 'status' | 'blockedUntil'>,
  now: number,
): boolean {
  if (isActive === false) return false;
  const until = blockedUntil?.getTime();
  if (until !== undefined && until > now) return false;
  const isLocked = LOCKED.has(status?.toLowerCase() ?? '');
  // A date that has passed ends a block; it does not bring back an account that is gone.
  return !isLocked || (status?.toLowerCase() === 'blocked' && until !== undefined);
}

/** How a user is named to others. */
export const nameOf = ({ name, firstName, lastName }: Pick<User, 'name' | 'firstName' | 'lastName'>): string =>
  [firstName, lastName].filter(Boolean).join(' ') || (name ?? '');

/** The id of a user's account; `''` for a user without one. */
export const accountOf = ({ account }: Pick<User, 'account'>): string => (account == null ? '' : String(account));

const toPerson = (user: StoredPerson): Person => ({
  _id: user._id,
  id: user._id.toHexString(),
  name: nameOf(user),
  image: user.image ?? null,
  role: user.role ?? 'user',
  account: accountOf(user),
  blocked: (user.blockedUsers ?? []).map(String),
  groups: (user.joinedGroups ?? []).flatMap(({ groupType }) => groupType ?? []),
});

import { isObjectIdOrHexString, Types } from 'mongoose';
import type { Models } from '#shared/models/index.js';
import type { SupportConversation } from '#shared/models/support-conversation.js';
import { accountOf } from '../shared/index.js';

/** What accounts decide about one conversation. */
export interface Belonging {
  /** Whether the caller is in it. */
  readonly isIn: boolean;
  /** Ids of those named in it who are not. */
  readonly outsiders: ReadonlySet<string>;
}

/** The fields that decide. */
type Named = Pick<SupportConversation, 'participants' | 'assignedTo' | 'createdBy' | 'visitorId'>;

/**
 * Tells which conversations a caller is in, as far as accounts decide.
 * @param caller `undefined`: a visitor
 */
export type AccountRule = (
  caller: { id: string; account: string } | undefined,
  conversations: readonly Named[],
) => Promise<Belonging[]>;

/**
 * A conversation without a department is of one account: that of the user who made it. Another service may have put users
 * of other accounts into it; they are not in it. When no participant is left, it is a conversation between accounts, and
 * none of them is in it. The same holds when it is unknown who made it and the users in it are of several accounts.
 *
 * The query returns the users whose account differs from the caller's and those who made the conversations: hardly any.
 */
export function createAccountRule({ User }: Pick<Models, 'User'>): AccountRule {
  const readAccounts = async (
    ids: readonly string[],
    { account, makers }: { account: string | undefined; makers: readonly string[] },
  ): Promise<Map<string, string>> => {
    if (ids.length === 0) return new Map();
    const query = { _id: { $in: [...ids] }, ...unlike(account, makers) };
    const found = await User.find(query, { account: 1 }).lean();
    return new Map(found.map((user) => [user._id.toHexString(), accountOf(user)]));
  };

  return async (caller, conversations) => {
    const makers = conversations.flatMap((one) => makerOf(one) ?? []);
    const ids = new Set([...makers, ...conversations.flatMap((one) => namedIn(one).map(toHex))]);
    if (caller !== undefined) ids.delete(caller.id);
    const accounts = await readAccounts([...ids], { account: caller?.account, makers });
    if (caller !== undefined) accounts.set(caller.id, caller.account);
    return conversations.map((one) => decide(caller, one, accounts));
  };
}

/** Another service may store accounts of another kind, which a query cannot compare. */
function unlike(account: string | undefined, makers: readonly string[]) {
  if (account !== '' && !isObjectIdOrHexString(account)) return {};
  const other = { account: { $ne: account === '' ? null : new Types.ObjectId(account) } };
  return { $or: [other, { _id: { $in: makers.map((id) => new Types.ObjectId(id)) } }] };
}

function decide(
  caller: { id: string; account: string } | undefined,
  conversation: Named,
  accounts: ReadonlyMap<string, string>,
): Belonging {
  const made = accounts.get(makerOf(conversation) ?? '');
  const account = made ?? caller?.account;
  const named = namedIn(conversation).map(toHex);
  const isForeign = (id: string): boolean => account !== undefined && (accounts.get(id) ?? account) !== account;
  const outsiders = new Set(named.filter(isForeign));
  if (caller === undefined) return { isIn: true, outsiders };
  const isOfAccount = caller.account === account && (made !== undefined || outsiders.size === 0);
  const isLeftAlone = outsiders.size > 0 && named.every((id) => id === caller.id || outsiders.has(id));
  return { isIn: isOfAccount && !(isLeftAlone && conversation.visitorId === null), outsiders };
}

const toHex = (id: Types.ObjectId): string => id.toHexString();

const makerOf = ({ createdBy, participants }: Named): string | undefined =>
  (createdBy ?? participants[0])?.toHexString();

/** The users whom a conversation names. */
export const namedIn = ({ participants, assignedTo }: Named): readonly Types.ObjectId[] =>
  assignedTo === null ? participants : [...participants, assignedTo];

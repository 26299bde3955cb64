import { isObjectIdOrHexString, Types } from 'mongoose';
import type { Models } from '#shared/models/index.js';
import type { SupportConversation } from '#shared/models/support-conversation.js';
import type { User } from '#shared/models/user.js';
import { readStored } from '../../../models/index.js';
import { createBatcher } from '../../../platform/batcher.js';
import { accountOf } from '../shared/index.js';

const projection = { _id: 1, account: 1 } as const;

type StoredAccount = Pick<User, 'account'> & { _id: Types.ObjectId };

/** Questions that one query answers. */
const QUESTIONS_MAX = 100;

/** Access to one conversation according to accounts. */
export interface Belonging {
  /** Whether the caller has access. */
  readonly isIn: boolean;
  /** Ids of participants without access. */
  readonly outsiders: ReadonlySet<string>;
}

/** The fields that are read. */
type Named = Pick<SupportConversation, 'participants' | 'assignedTo' | 'createdBy' | 'visitorId'>;

/**
 * Determines which conversations a caller can access according to accounts.
 * @param caller `undefined`: a visitor
 */
export type AccountRule = (
  caller: { id: string; account: string } | undefined,
  conversations: readonly Named[],
) => Promise<Belonging[]>;

/**
 * A conversation without a department belongs to the account of its creator. Another service may have added users of other
 * accounts; they have no access. If that leaves no participant, the conversation is between accounts and no user has access.
 * The same holds if the creator is unknown and its users are of several accounts.
 *
 * The query returns only users whose account differs from the caller's, and creators: hardly any.
 */
export function createAccountRule({ User }: Pick<Models, 'User'>): AccountRule {
  const readAccounts = createBatcher<Question, Map<string, string>>(async (questions) => {
    const asked = questions.filter(({ ids }) => ids.length > 0);
    const found = asked.length === 0 ? [] : await User.collection.find(toQuery(asked), { projection }).toArray();
    const users = found.map((user) => readStored<StoredAccount>(User as never, user, projection));
    const accounts = new Map(users.map((user) => [user._id.toHexString(), accountOf(user)]));
    // What was read for others changes no decision, but a caller gets no more than it asked for.
    return questions.map(({ ids }) => new Map(ids.flatMap((id) => toPair(id, accounts.get(id)))));
  }, QUESTIONS_MAX);

  return async function ensureOneAccount(caller, conversations) {
    const makers = conversations.flatMap((one) => makerOf(one) ?? []);
    const ids = new Set([...makers, ...conversations.flatMap((one) => namedIn(one).map(toHex))]);
    if (caller !== undefined) ids.delete(caller.id);
    const accounts = await readAccounts({ ids: [...ids], account: caller?.account, makers });
    if (caller !== undefined) accounts.set(caller.id, caller.account);
    return conversations.map((one) => decide(caller, one, accounts));
  };
}

/** Users whose accounts are asked for: those whose account is another one, and those who made the conversations. */
interface Question {
  readonly ids: readonly string[];
  readonly account: string | undefined;
  readonly makers: readonly string[];
}

/** The conditions on the users of a conversation by which {@link decideWith} can decide about a caller. */
export const toConditions = (account: string, conversation: Named): { conditions: object[]; key: string } => {
  const maker = makerOf(conversation);
  const condition = unlike(account, maker === undefined ? [] : [maker]);
  return { conditions: [condition], key: `${account} ${maker ?? ''}` };
};

/**
 * Matches users of another account. While none of the users in a conversation and its maker does, all of them have access.
 * \`undefined\`: a query cannot tell.
 */
export const toForeign = (account: string): object | undefined => unlike(account, []).$or?.[0];

/** As an {@link AccountRule}, by users who have been read. @param users those who meet {@link toConditions} */
export function decideWith(
  caller: { id: string; account: string },
  conversation: Named,
  users: readonly { _id: Types.ObjectId; account: string }[],
): Belonging {
  const accounts = new Map(users.map(({ _id, account }) => [_id.toHexString(), account]));
  return decide(caller, conversation, accounts.set(caller.id, caller.account));
}

/** The ids of all users who matter for accounts: those in a conversation, and its maker. */
export const accountableIn = (conversation: Named): readonly Types.ObjectId[] =>
  conversation.createdBy === null ? namedIn(conversation) : [...namedIn(conversation), conversation.createdBy];

/** Callers of several accounts get all users: each of these is foreign to some of them. */
function toQuery(questions: readonly Question[]) {
  const ids = new Set(questions.flatMap((question) => question.ids));
  const _id = { $in: [...ids].map((id) => new Types.ObjectId(id)) };
  const [account, ...others] = new Set(questions.map((question) => question.account));
  const makers = questions.flatMap((question) => question.makers);
  return others.length > 0 ? { _id } : { _id, ...unlike(account, makers) };
}

const toPair = (id: string, account: string | undefined): [string, string][] =>
  account === undefined ? [] : [[id, account]];

/** Other services may store account ids of another type, which a query cannot compare. */
function unlike(account: string | undefined, makers: readonly string[]): { $or?: [object, object] } {
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

/** The ids of all users in a conversation. */
export const namedIn = ({ participants, assignedTo }: Named): readonly Types.ObjectId[] =>
  assignedTo === null ? participants : [...participants, assignedTo];

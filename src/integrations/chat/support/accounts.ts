import { isObjectIdOrHexString, Types } from 'mongoose';
import type { Models } from '#shared/models/index.js';
import type { SupportConversation } from '#shared/models/support-conversation.js';
import type { User } from '#shared/models/user.js';
import { readStored } from '../../../models/index.js';
import { createBatcher } from '../../../platform/concurrency/batcher.js';
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

/** The users of a conversation, with ids as text. */
export interface Names {
  /** All users in it. */
  readonly all: readonly string[];
  /** `undefined`: unknown. */
  readonly maker: string | undefined;
  readonly hasVisitor: boolean;
}

/**
 * Determines which conversations a caller can access according to accounts.
 * @param caller `undefined`: a visitor
 */
export type AccountRule = (
  caller: { id: string; account: string } | undefined,
  conversations: readonly Names[],
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
    return questions.map(({ ids }) => pick(accounts, ids));
  }, QUESTIONS_MAX);

  return async function ensureOneAccount(caller, conversations) {
    const makers = conversations.flatMap(({ maker }) => maker ?? []);
    const ids = new Set([...makers, ...conversations.flatMap(({ all }) => all)]);
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
  return decide(caller, namesIn(conversation), accounts.set(caller.id, caller.account));
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

function pick(accounts: ReadonlyMap<string, string>, ids: readonly string[]): Map<string, string> {
  const picked = new Map<string, string>();
  for (const id of ids) {
    const account = accounts.get(id);
    if (account !== undefined) picked.set(id, account);
  }
  return picked;
}

/** Other services may store account ids of another type, which a query cannot compare. */
function unlike(account: string | undefined, makers: readonly string[]): { $or?: [object, object] } {
  if (account !== '' && !isObjectIdOrHexString(account)) return {};
  const other = { account: { $ne: account === '' ? null : new Types.ObjectId(account) } };
  return { $or: [other, { _id: { $in: makers.map((id) => new Types.ObjectId(id)) } }] };
}

function decide(
  caller: { id: string; account: string } | undefined,
  { all, maker, hasVisitor }: Names,
  accounts: ReadonlyMap<string, string>,
): Belonging {
  const made = accounts.get(maker ?? '');
  const account = made ?? caller?.account;
  const isForeign = (id: string): boolean => account !== undefined && (accounts.get(id) ?? account) !== account;
  const outsiders = new Set(all.filter(isForeign));
  if (caller === undefined) return { isIn: true, outsiders };
  const isOfAccount = caller.account === account && (made !== undefined || outsiders.size === 0);
  const isLeftAlone = outsiders.size > 0 && all.every((id) => id === caller.id || outsiders.has(id));
  return { isIn: isOfAccount && !(isLeftAlone && !hasVisitor), outsiders };
}

const makerOf = ({ createdBy, participants }: Named): string | undefined =>
  (createdBy ?? participants[0])?.toHexString();

/** To be called once for each conversation, also if many users ask about it: text takes longer than all the rest. */
export const namesIn = (conversation: Named): Names => ({
  all: namedIn(conversation).map((id) => id.toHexString()),
  maker: makerOf(conversation),
  hasVisitor: conversation.visitorId !== null,
});

/** The ids of all users in a conversation. */
export const namedIn = ({ participants, assignedTo }: Named): readonly Types.ObjectId[] =>
  assignedTo === null ? participants : [...participants, assignedTo];

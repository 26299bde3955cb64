import type { Types } from 'mongoose';
import type { Principal } from '../../../auth/principal.js';
import { type Proof, storedForms } from '../../../models/index.js';
import { createBoundedMap } from '../../../platform/bounded-map.js';
import type { Write } from '../../../platform/mongo/write-together.js';
import type { Relations } from '../../users/index.js';
import type { Authentication, Caller, UserCaller } from './authentication.js';

/** What an event needs to know of the users of its conversation. */
export interface Question {
  /** All users of the conversation. */
  readonly users: readonly Types.ObjectId[];
  /** Conditions on users to find, besides those who have blocked the caller. */
  readonly conditions: readonly object[];
  /** Equal for equal conditions. */
  readonly key: string;
}

/** The caller of an event, read together with the users of the conversation. */
interface CallerInConversation {
  readonly caller: Caller;
  /** Users who have blocked the caller or meet a condition; `undefined`: unknown, to be read. */
  answer(question: Question): readonly Relations[] | undefined;
}

/** Reads the callers of events. @param conversation its id */
export type ReadCaller = (principal: Principal, conversation: string) => Promise<CallerInConversation>;

/** A caller as last read. Only writes under the conditions of {@link toConditionsOf} may rely on it. */
export interface RememberedCaller {
  readonly caller: UserCaller;
  readonly proof: Proof;
}

/** The callers of a node. */
export interface Callers {
  readonly read: ReadCaller;
  remembered(principal: Principal): RememberedCaller | undefined;
  /** To be called when they are not as remembered. */
  forget(principal: Principal): void;
}

/** Callers that a node remembers. */
const CALLERS_MAX = 10_000;

/** Conversations whose users a node remembers. */
const REMEMBERED_MAX = 5000;
/** Users of a remembered conversation. */
const USERS_MAX = 100;

/**
 * Reads the caller of an event together with those users of the conversation who decide what the event may do, while the
 * conversation itself is still being read: those who were in it at the last event. This is only a guess whom to ask for.
 * When the conversation has other users by now, there is no answer, and they are read. So nothing is decided by what was
 * remembered.
 */
export function createCallers({ callerOf, circleOf }: Pick<Authentication, 'callerOf' | 'circleOf'>): Callers {
  const remembered = createBoundedMap<Question>(REMEMBERED_MAX);
  const callers = createBoundedMap<RememberedCaller>(CALLERS_MAX);

  const read: ReadCaller = async (principal, conversation) => {
    if (principal.kind !== 'user') return { caller: await callerOf(principal), answer: () => undefined };
    const guess = remembered.get(conversation);
    const { caller, proof, others } = await circleOf(principal, guess?.users ?? [], guess?.conditions);
    if (proof !== undefined) callers.set(principal.userId, { caller, proof });
    return {
      caller,
      answer(question) {
        if (guess !== undefined && isCovered(question, guess)) return others;
        if (question.users.length <= USERS_MAX) remembered.set(conversation, question);
        return undefined;
      },
    };
  };

  return {
    read,
    remembered: (principal) => (principal.kind === 'user' ? callers.get(principal.userId) : undefined),
    forget(principal) {
      if (principal.kind === 'user') callers.delete(principal.userId);
    },
  };
}

/**
 * The conditions that a caller is as remembered, and that none of some others has blocked them.
 * @param others also meet none of these filters
 */
export function toConditionsOf(
  { caller: { _id }, proof }: RememberedCaller,
  {
    collection,
    others,
    filters = [],
  }: { collection: string; others: readonly Types.ObjectId[]; filters?: readonly object[] },
): Write[] {
  const isApart = { blockedUsers: { $in: storedForms(_id) } };
  const excluded = filters.length === 0 ? isApart : { $or: [isApart, ...filters] };
  return [
    { collection, expects: proof },
    ...(others.length === 0 ? [] : [{ collection, excludes: { _id: { $in: others }, ...excluded } }]),
  ];
}

function isCovered(question: Question, guess: Question): boolean {
  if (question.key !== guess.key) return false;
  const known = new Set(guess.users.map((id) => id.toHexString()));
  return question.users.every((id) => known.has(id.toHexString()));
}

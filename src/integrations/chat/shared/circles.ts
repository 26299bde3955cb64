import type { Types } from 'mongoose';
import type { Principal } from '../../../auth/principal.js';
import { createBoundedMap } from '../../../platform/bounded-map.js';
import type { Relations } from '../../users/index.js';
import type { Authentication, Caller } from './authentication.js';

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
export interface CallerInConversation {
  readonly caller: Caller;
  /** Users who have blocked the caller or meet a condition; `undefined`: unknown, to be read. */
  answer(question: Question): readonly Relations[] | undefined;
}

/** Reads the callers of events. @param conversation its id */
export type ReadCaller = (principal: Principal, conversation: string) => Promise<CallerInConversation>;

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
export function createReadCaller({ callerOf, circleOf }: Pick<Authentication, 'callerOf' | 'circleOf'>): ReadCaller {
  const remembered = createBoundedMap<Question>(REMEMBERED_MAX);
  return async function readCaller(principal, conversation) {
    if (principal.kind !== 'user') return { caller: await callerOf(principal), answer: () => undefined };
    const id = conversation.toLowerCase();
    const guess = remembered.get(id);
    const { caller, others } = await circleOf(principal, guess?.users ?? [], guess?.conditions);
    return {
      caller,
      answer(question) {
        if (guess !== undefined && isCovered(question, guess)) return others;
        if (question.users.length <= USERS_MAX) remembered.set(id, question);
        return undefined;
      },
    };
  };
}

function isCovered(question: Question, guess: Question): boolean {
  if (question.key !== guess.key) return false;
  const known = new Set(guess.users.map((id) => id.toHexString()));
  return question.users.every((id) => known.has(id.toHexString()));
}

import type { Types } from 'mongoose';
import { amountsOfMessage, pointsOf } from '#shared/contracts/costs.js';
import type { Models } from '#shared/models/index.js';
import type { Principal } from '../../../auth/principal.js';
import { createBoundedMap } from '../../../platform/bounded-map.js';
import type { Write } from '../../../platform/mongo/write-together.js';
import type { Clock } from '../../../platform/time/clock.js';
import type { UserCaller } from './authentication.js';
import { type Callers, toConditionsOf } from './circles.js';

/** Conversations that a node remembers. */
const REMEMBERED_MAX = 5000;
/** After a condition did not hold, the conversation is read for so long. */
const PAUSE_MS = 10_000;

/** A conversation in which no two users have a block, as last read. */
export interface RememberedConversation<C> {
  readonly conversation: C;
  /** All users on whom the access of one of them can depend. */
  readonly users: readonly Types.ObjectId[];
  /** That it is as remembered. */
  readonly conditions: readonly Write[];
  /** Callers of another account have no access by what is remembered; `undefined`: the account does not matter. */
  readonly account?: string | undefined;
  /** Filters of users who would change the access of others. */
  readonly filters?: readonly object[];
}

/** What is remembered of a conversation and a caller. */
export interface RememberedAccess<C> {
  readonly caller: UserCaller;
  readonly conversation: C;
  /** A write that relies on the rest must have these conditions. */
  readonly conditions: readonly Write[];
}

interface Dependencies {
  models: Pick<Models, 'User'>;
  callers: Callers;
  clock: Clock;
}

/**
 * Remembers conversations and their callers, so that a message is stored without reading them: by one command that first looks
 * whether they are as remembered. So nothing is decided by what was remembered.
 */
export function createRememberedConversations<C>({ models, callers, clock }: Dependencies) {
  const remembered = createBoundedMap<RememberedConversation<C>>(REMEMBERED_MAX);
  const pausedUntil = createBoundedMap<number>(REMEMBERED_MAX);

  return {
    /** @param id in the spelling of the database */
    find(principal: Principal, id: string): RememberedAccess<C> | undefined {
      const found = remembered.get(id);
      const sender = found && callers.remembered(principal);
      if (found === undefined || sender === undefined) return undefined;
      const { caller } = sender;
      if (found.account !== undefined && found.account !== caller.account) return undefined;
      const others = found.users.filter((user) => !user.equals(caller._id));
      if (others.some((user) => caller.blocked.includes(user.toHexString()))) return undefined;
      const { collectionName: collection } = models.User.collection;
      const ofUsers = toConditionsOf(sender, { collection, others, filters: found.filters ?? [] });
      return { caller, conversation: found.conversation, conditions: [...found.conditions, ...ofUsers] };
    },

    /** Larger conversations, in which a message is paid for, are not remembered. */
    remember(id: string, conversation: RememberedConversation<C>): void {
      const isPaused = (pausedUntil.get(id) ?? 0) > clock.now();
      if (isPaused || pointsOf(amountsOfMessage(conversation.users.length)) > 0) remembered.delete(id);
      else remembered.set(id, conversation);
    },

    /** To be called when a conversation was read that is not to be remembered. */
    forget: (id: string): void => remembered.delete(id),

    /** To be called when a condition did not hold. */
    noteChange(principal: Principal, id: string): void {
      remembered.delete(id);
      pausedUntil.set(id, clock.now() + PAUSE_MS);
      callers.forget(principal);
    },
  };
}

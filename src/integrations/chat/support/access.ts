import type { Types } from 'mongoose';
import type { Models } from '#shared/models/index.js';
import type { SupportConversation } from '#shared/models/support-conversation.js';
import type { SupportMessage } from '#shared/models/support-message.js';
import type { Principal } from '../../../auth/principal.js';
import type { Write } from '../../../platform/mongo/write-together.js';
import type { Clock } from '../../../platform/time/clock.js';
import {
  type Blocks,
  blockedAmong,
  blockedUser,
  type Caller,
  type Callers,
  ChatError,
  NO_USERS,
  type Question,
  type ReadCaller,
  type UserCaller,
} from '../shared/index.js';
import {
  accountableIn,
  createAccountRule,
  decideWith,
  type Names,
  namedIn,
  namesIn,
  toConditions,
} from './accounts.js';
import { type Audience, EMPTY_AUDIENCE, type Excluded, NONE_EXCLUDED, toAudience } from './audience.js';
import { createRememberedAccess } from './remembered-access.js';
import { createStoredConversations, type StoredConversation } from './stored-conversations.js';

/** A conversation from the view of a caller with access. */
export interface Access extends Excluded {
  readonly caller: Caller;
  readonly conversation: SupportConversation;
  /** The members of its department. */
  readonly members: readonly Types.ObjectId[];
  /** Its department exists. */
  readonly isOfDepartment: boolean;
  /** The caller has a block with every other participant. */
  readonly isBlocked: boolean;
  readonly audience: Audience;
}

/** The access of a user of the platform. */
export interface UserAccess extends Access {
  readonly caller: UserCaller;
}

/** Access as last read, and the conditions that it is still the same. */
interface RememberedAccess extends Access {
  readonly conditions: readonly Write[];
}

interface Dependencies {
  models: Models;
  callers: Callers;
  blocks: Blocks;
  clock: Clock;
}

/** A conversation that may be open to a user. */
export interface Candidate {
  readonly departmentId: Types.ObjectId | null;
  readonly names: Names;
}

/** Decides who can read which conversation and receive its events. */
export type ConversationAccess = ReturnType<typeof createAccess>;

/**
 * Access follows from the conversation, its department and the accounts of its participants. They are read again for each
 * event, so a removed user loses access at once, on every node, also when another service removed them. Only a message in a
 * conversation that is remembered is stored without reading them: under the condition that they are as remembered.
 */
export function createAccess({ models, callers, blocks, clock }: Dependencies) {
  const stored = createStoredConversations(models);
  const remembered = createRememberedAccess({ models, callers, clock });
  const belongingOf = createAccountRule(models);

  /** @param user `undefined`: a visitor. @throws ChatError `NOT_FOUND` for a user of another account */
  const findOutsiders = async (
    user: UserCaller | undefined,
    found: StoredConversation,
  ): Promise<ReadonlySet<string>> => {
    if (found.isOfDepartment) return NO_USERS;
    const [belonging] = await belongingOf(user, [namesIn(found.conversation)]);
    if (belonging?.isIn !== true) throw notFound();
    return belonging.outsiders;
  };

  /** @throws ChatError `NOT_FOUND` for a caller of another account */
  const findExcluded = async (
    caller: Caller,
    found: StoredConversation,
    answer: Awaited<ReturnType<ReadCaller>>['answer'],
  ): Promise<Excluded> => {
    if (caller.kind !== 'user') return { outsiders: await findOutsiders(undefined, found), blocked: NO_USERS };
    const others = othersIn(found, caller._id);
    const known = answer(toQuestion(caller, found));
    if (known === undefined) {
      const reading = [findOutsiders(caller, found), blocks.among(caller, others)] as const;
      const [outsiders, blocked] = await Promise.all(reading);
      return { outsiders, blocked };
    }
    const blocked = blockedAmong(caller, others, known);
    if (found.isOfDepartment) return { outsiders: NO_USERS, blocked };
    const { isIn, outsiders } = decideWith(caller, found.conversation, known);
    if (!isIn) throw notFound();
    return { outsiders, blocked };
  };

  const open = async (principal: Principal, id: string): Promise<Access> => {
    const [{ caller, answer }, found] = await Promise.all([callers.read(principal, id), stored.read(id)]);
    if (found === undefined || !mayOpen(caller, found)) throw notFound();
    const excluded = await findExcluded(caller, found, answer);
    if (excluded.outsiders.size === 0 && excluded.blocked.size === 0) remembered.remember(caller, found);
    return toAccess(caller, found, excluded);
  };

  return {
    membersOf: stored.membersOf,
    /** Filters the conversations that `open` would open for a user. */
    async openTo<C extends Candidate>(user: Pick<UserCaller, 'id' | 'account'>, candidates: readonly C[]) {
      const ids = new Set(candidates.flatMap(({ departmentId }) => departmentId?.toHexString() ?? []));
      const existing = await stored.existingAmong(ids);
      const isOfDepartment = ({ departmentId }: C): boolean =>
        departmentId !== null && existing.has(departmentId.toHexString());
      const without = candidates.filter((one) => !isOfDepartment(one));
      const belonging = await belongingOf(
        user,
        without.map(({ names }) => names),
      );
      const decided = new Map(without.map((one, index) => [one, belonging[index]]));
      return candidates.flatMap((candidate) => {
        const { isIn, outsiders } = decided.get(candidate) ?? { isIn: true, outsiders: NO_USERS };
        return isIn ? { candidate, outsiders } : [];
      });
    },
    /** @throws ChatError `NOT_FOUND` for an unknown conversation, or one without access */
    open,
    /** The access as remembered, for a write that has its conditions. */
    remembered(principal: Principal, conversationId: string): RememberedAccess | undefined {
      const found = remembered.find(principal, conversationId);
      if (found === undefined || !mayOpen(found.caller, found.conversation)) return undefined;
      const { caller, conversation, conditions } = found;
      return { ...toAccess(caller, conversation, NONE_EXCLUDED), conditions };
    },
    /** To be called when a condition of remembered access did not hold. */
    noteChange: (principal: Principal, conversationId: string): void =>
      remembered.noteChange(principal, conversationId),
    /** As `open`; visitors have no access. */
    async openAsUser(principal: Principal, id: string): Promise<UserAccess> {
      const { caller, ...access } = await open(principal, id);
      if (caller.kind !== 'user') throw notFound();
      return { ...access, caller };
    },
    /** The receivers of a caller's events, read again; empty if the conversation was deleted. */
    async audienceOf(id: string, opened: Excluded): Promise<Audience> {
      const found = await stored.read(id);
      return found === undefined ? EMPTY_AUDIENCE : toAudience(found, opened);
    },
    /** The receivers of stored messages of a conversation, each as its sender relates to them now. */
    async audiencesOf(
      id: string,
      messages: readonly Pick<SupportMessage, 'senderId' | 'senderType'>[],
    ): Promise<Audience[]> {
      const found = await stored.read(id);
      if (found === undefined) return messages.map(() => EMPTY_AUDIENCE);
      const [outsiders, ...blocked] = await Promise.all([
        findOutsiders(undefined, found),
        ...messages.map(({ senderId, senderType }) => (senderType === 'visitor' ? NO_USERS : blocks.of(senderId))),
      ]);
      return blocked.map((ofSender) => toAudience(found, { outsiders, blocked: ofSender }));
    },
    /** Who does not receive what a user has done in a conversation. */
    async excludedFrom(conversation: SupportConversation, user: Types.ObjectId): Promise<Excluded> {
      const found = await stored.withDepartment(conversation);
      const reading = [findOutsiders(undefined, found), blocks.of(user.toHexString())] as const;
      const [outsiders, blocked] = await Promise.all(reading);
      return { outsiders, blocked };
    },
    /** The receivers of a change of a conversation. @param opened the caller's access before */
    audienceAfter: async (conversation: SupportConversation, opened: Excluded): Promise<Audience> =>
      toAudience(await stored.withDepartment(conversation), opened),
  };
}

const notFound = () => new ChatError('NOT_FOUND', 'Conversation not found or access denied');

/** @throws ChatError `FORBIDDEN` if the caller has a block with every other participant */
export function ensureHeard({ isBlocked }: Pick<Access, 'isBlocked'>): void {
  if (isBlocked) throw blockedUser();
}

/** @throws ChatError `CONFLICT` */
export function ensureOpen({ status }: Pick<SupportConversation, 'status'>): void {
  if (status === 'closed') throw new ChatError('CONFLICT', 'The conversation is closed');
}

/** Whether a user receives the conversation on every socket. Others receive it after joining. */
export const isNamed = ({ _id }: { _id: Types.ObjectId }, { participants, assignedTo }: SupportConversation): boolean =>
  participants.some((id) => id.equals(_id)) || assignedTo?.equals(_id) === true;

/** Whether a user handles the conversation: its assignee, members of its department, and participating agents. */
export const isAgentOf = (
  { _id, role }: Pick<UserCaller, '_id' | 'role'>,
  { conversation, members }: Pick<Access, 'conversation' | 'members'>,
): boolean => role !== 'user' || conversation.assignedTo?.equals(_id) === true || members.some((id) => id.equals(_id));

function mayOpen(caller: Caller, { conversation, members }: StoredConversation): boolean {
  if (caller.kind === 'user') {
    return isNamed(caller, conversation) || members.some((id) => id.equals(caller._id));
  }
  // Both must match: the token lists the conversation, and the conversation has this visitor.
  const id = conversation._id.toHexString();
  return conversation.visitorId === caller.id && caller.conversationIds.some((named) => named.toLowerCase() === id);
}

function toAccess(caller: Caller, found: StoredConversation, excluded: Excluded): Access {
  const { conversation, members, isOfDepartment } = found;
  const { outsiders, blocked } = excluded;
  const isHeard = (id: string): boolean => id !== caller.id && !outsiders.has(id) && !blocked.has(id);
  const isBlocked =
    conversation.visitorId === null &&
    blocked.size > 0 &&
    !namedIn(conversation).some((user) => isHeard(user.toHexString()));
  const audience = toAudience(found, excluded);
  return { caller, conversation, members, isOfDepartment, outsiders, blocked, isBlocked, audience };
}

const othersIn = ({ conversation, members }: StoredConversation, user: Types.ObjectId): Types.ObjectId[] =>
  [...namedIn(conversation), ...members].filter((id) => !id.equals(user));

/** Whom else the access of a caller depends on. */
const toQuestion = (
  { account }: UserCaller,
  { conversation, members, isOfDepartment }: StoredConversation,
): Question => ({
  users: [...accountableIn(conversation), ...members],
  ...(isOfDepartment ? { conditions: [], key: '' } : toConditions(account, conversation)),
});

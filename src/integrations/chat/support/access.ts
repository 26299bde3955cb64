import { Types } from 'mongoose';
import type { Department } from '#shared/models/department.js';
import type { Models } from '#shared/models/index.js';
import type { SupportConversation } from '#shared/models/support-conversation.js';
import type { Principal } from '../../../auth/principal.js';
import { rooms } from '../../../realtime/rooms.js';
import { type Blocks, blockedUser, type Caller, ChatError, type Entrance, type UserCaller } from '../shared/index.js';

/** A conversation as somebody who may see it finds it. */
export interface Access {
  readonly caller: Caller;
  readonly conversation: SupportConversation;
  /** The members of its department. */
  readonly members: readonly Types.ObjectId[];
  /** Ids of those in it who have a block with the caller: neither hears the other. */
  readonly blocked: ReadonlySet<string>;
  /** The caller has a block with everybody else who is named in it. */
  readonly isBlocked: boolean;
  /** The rooms of everybody who may hear the caller now. */
  readonly audience: readonly string[];
}

/** The same for a user of the platform. */
export interface UserAccess extends Access {
  readonly caller: UserCaller;
}

/** Decides who may see and hear which conversation. */
export type ConversationAccess = ReturnType<typeof createAccess>;

type Reach = Pick<Access, 'conversation' | 'members'>;

/**
 * Access is what the conversation and its department say at the moment of asking: both are read again for each event, so
 * whoever is taken out of either is out at once, on every node, whoever took them out.
 */
export function createAccess({ models, entrance, blocks }: { models: Models; entrance: Entrance; blocks: Blocks }) {
  const membersOf = async (departmentId: Types.ObjectId | null): Promise<Types.ObjectId[]> => {
    if (departmentId === null) return [];
    const found = await models.Department.findById(departmentId, { members: 1 }).lean<Pick<Department, 'members'>>();
    return found?.members ?? [];
  };

  const read = async (id: string): Promise<Reach | undefined> => {
    const found = await models.SupportConversation.findById(id).lean();
    if (found === null) return undefined;
    const conversation = complete(found);
    return { conversation, members: await membersOf(conversation.departmentId) };
  };

  const open = async (principal: Principal, id: string): Promise<Access> => {
    const [caller, found] = await Promise.all([entrance.callerOf(principal), read(id)]);
    if (found === undefined || !mayOpen(caller, found)) throw notFound();
    const blocked = caller.kind === 'user' ? await blocks.among(caller, othersIn(found, caller._id)) : NOBODY;
    const { visitorId } = found.conversation;
    const named = namedIn(found.conversation).filter((user) => caller.kind !== 'user' || !user.equals(caller._id));
    const isBlocked = visitorId === null && named.length > 0 && named.every((user) => blocked.has(user.toHexString()));
    return { caller, ...found, blocked, isBlocked, audience: toAudience(found, blocked) };
  };

  return {
    membersOf,
    /** @throws ChatError `NOT_FOUND` for a conversation that is not there, or not for this caller */
    open,
    /** As `open`, for what visitors may not do. */
    async openAsUser(principal: Principal, id: string): Promise<UserAccess> {
      const { caller, ...access } = await open(principal, id);
      if (caller.kind !== 'user') throw notFound();
      return { ...access, caller };
    },
    /** The rooms of everybody who may hear a conversation, without some users; none when it is gone. */
    async audienceOf(id: string, without: ReadonlySet<string>): Promise<readonly string[]> {
      const found = await read(id);
      return found === undefined ? [] : toAudience(found, without);
    },
    /** The same for a conversation that was just changed. */
    audienceAfter: async (conversation: SupportConversation): Promise<readonly string[]> =>
      toAudience({ conversation, members: await membersOf(conversation.departmentId) }),
  };
}

/** Other services make conversations too, and leave out what they do not know. */
export const complete = (conversation: SupportConversation): SupportConversation => ({
  ...conversation,
  participants: conversation.participants ?? [],
  assignedTo: conversation.assignedTo ?? null,
  departmentId: conversation.departmentId ?? null,
  visitorId: conversation.visitorId ?? null,
  updatedAt: conversation.updatedAt ?? conversation._id.getTimestamp(),
});

const notFound = () => new ChatError('NOT_FOUND', 'Conversation not found or access denied');

/** @throws ChatError `FORBIDDEN` when only people with a block between them and the caller would hear it */
export function ensureHeard({ isBlocked }: Pick<Access, 'isBlocked'>): void {
  if (isBlocked) throw blockedUser();
}

/** @throws ChatError `CONFLICT` */
export function ensureOpen({ status }: Pick<SupportConversation, 'status'>): void {
  if (status === 'closed') throw new ChatError('CONFLICT', 'The conversation is closed');
}

/** Whether a user is named in the conversation and hears it on every socket. Others have to join, and hear by that. */
export const isNamed = ({ _id }: { _id: Types.ObjectId }, { participants, assignedTo }: SupportConversation): boolean =>
  participants.some((id) => id.equals(_id)) || assignedTo?.equals(_id) === true;

/** Whether somebody looks after the conversation: whoever has it, its department's members, and agents who are in it. */
export const isAgentOf = ({ _id, role }: Pick<UserCaller, '_id' | 'role'>, { conversation, members }: Reach): boolean =>
  role !== 'user' || conversation.assignedTo?.equals(_id) === true || members.some((id) => id.equals(_id));

function mayOpen(caller: Caller, { conversation, members }: Reach): boolean {
  if (caller.kind === 'user') {
    return isNamed(caller, conversation) || members.some((id) => id.equals(caller._id));
  }
  // The token names conversations, and the conversation names its visitor: one of them alone opens nothing.
  const id = conversation._id.toHexString();
  return conversation.visitorId === caller.id && caller.conversationIds.some((named) => named.toLowerCase() === id);
}

const NOBODY: ReadonlySet<string> = new Set();

const namedIn = ({ participants, assignedTo }: SupportConversation): readonly Types.ObjectId[] =>
  assignedTo === null ? participants : [...participants, assignedTo];

const othersIn = ({ conversation, members }: Reach, user: Types.ObjectId): Types.ObjectId[] =>
  [...namedIn(conversation), ...members].filter((id) => !id.equals(user));

function toAudience({ conversation, members }: Reach, without: ReadonlySet<string> = NOBODY): string[] {
  const id = conversation._id.toHexString();
  const { visitorId } = conversation;
  const heard = (users: readonly Types.ObjectId[]): string[] =>
    users.map((user) => user.toHexString()).filter((user) => !without.has(user));
  return [
    ...heard(namedIn(conversation)).map(rooms.user),
    ...heard(members).map((user) => rooms.listener(id, rooms.user(user))),
    ...(visitorId === null ? [] : [rooms.listener(id, rooms.visitor(visitorId))]),
  ];
}

/** An id of a conversation as the database spells it. */
export const toId = (id: string): string => new Types.ObjectId(id).toHexString();

import { Types } from 'mongoose';
import type { Department } from '#shared/models/department.js';
import type { Models } from '#shared/models/index.js';
import type { SupportConversation } from '#shared/models/support-conversation.js';
import type { Principal } from '../../../auth/principal.js';
import { type Proof, proofOf, readStored } from '../../../models/index.js';
import { createLoader } from '../../../platform/batcher.js';
import type { Clock } from '../../../platform/clock.js';
import type { Write } from '../../../platform/mongo/write-together.js';
import { rooms } from '../../../realtime/rooms.js';
import {
  type Blocks,
  blockedAmong,
  blockedUser,
  type Caller,
  type Callers,
  ChatError,
  createKnownConversations,
  type Question,
  type ReadCaller,
  type UserCaller,
} from '../shared/index.js';
import { accountableIn, createAccountRule, decideWith, namedIn, toConditions, toForeign } from './accounts.js';

/** The receivers of a caller's events in a conversation. */
export interface Audience {
  /** The rooms of everyone in it. */
  readonly rooms: readonly string[];
  /** Rooms to leave out: those of users with a block with the caller. */
  readonly except: readonly string[];
}

/** A conversation from the view of a caller with access. */
export interface Access {
  readonly caller: Caller;
  readonly conversation: SupportConversation;
  /** The members of its department. */
  readonly members: readonly Types.ObjectId[];
  /** Ids of members with a block with the caller: neither receives the other's events. */
  readonly blocked: ReadonlySet<string>;
  /** The caller has a block with every other participant. */
  readonly isBlocked: boolean;
  /** Ids of participants of another account, who have no access. */
  readonly outsiders: ReadonlySet<string>;
  readonly audience: Audience;
}

/** The access of a user of the platform. */
export interface UserAccess extends Access {
  readonly caller: UserCaller;
}

/** Access as last read, and the conditions that it is still the same. */
interface KnownAccess extends Access {
  readonly conditions: readonly Write[];
}

interface Dependencies {
  models: Models;
  callers: Callers;
  blocks: Blocks;
  clock: Clock;
}

interface ReadDepartment extends Pick<Department, 'members'> {
  readonly proof: Proof;
}

/** Departments in one query. */
const DEPARTMENTS_MAX = 1000;

/** The fields that determine access. */
type Shared = Pick<SupportConversation, 'participants' | 'assignedTo' | 'departmentId' | 'createdBy' | 'visitorId'>;

/** Decides who can read which conversation and receive its events. */
export type ConversationAccess = ReturnType<typeof createAccess>;

/** A stored conversation. `isOfDepartment`: its department exists. */
interface Reach extends Pick<Access, 'conversation' | 'members'> {
  readonly isOfDepartment: boolean;
  /** That the conversation and its department are as read. */
  readonly conditions: readonly Write[];
}

/** The fields of a conversation that decide about a message. */
const decisive = [
  ...(['participants', 'assignedTo', 'departmentId', 'createdBy', 'visitorId', 'status'] as const),
] as const;

/**
 * Access follows from the conversation, its department and the accounts of its participants. They are read again for each
 * event, so a removed user loses access at once, on every node, also when another service removed them.
 */
export function createAccess({ models, callers, blocks, clock }: Dependencies) {
  const belongingOf = createAccountRule(models);
  const known = createKnownConversations<Reach>({ models, callers, clock });

  const readDepartment = async (_id: Types.ObjectId | null): Promise<ReadDepartment | undefined> => {
    if (_id === null) return undefined;
    const found = await models.Department.findById(_id, { members: 1 }).lean<Pick<Department, '_id' | 'members'>>();
    return found === null ? undefined : { members: found.members ?? [], proof: proofOf(found, ['members']) };
  };

  const read = async (id: string): Promise<Reach | undefined> => {
    const { SupportConversation: model } = models;
    const found = await model.collection.findOne({ _id: new Types.ObjectId(id) });
    if (found === null) return undefined;
    const stored = readStored(model, found);
    const reach = await reachOf(complete(stored));
    const isThis = { collection: model.collection.collectionName, expects: proofOf(stored, decisive) };
    return { ...reach, conditions: [isThis, ...reach.conditions] };
  };

  const reachOf = async (conversation: SupportConversation): Promise<Reach> => {
    const department = await readDepartment(conversation.departmentId);
    const { collectionName: collection } = models.Department.collection;
    const conditions = department === undefined ? [] : [{ collection, expects: department.proof }];
    const isOfDepartment = department !== undefined;
    return { conversation, members: department?.members ?? [], isOfDepartment, conditions };
  };

  /** Remembers a conversation whose users have access, without a block between the caller and any of them. */
  const remember = (caller: Caller, found: Reach): void => {
    const { conversation, members, isOfDepartment, conditions } = found;
    const id = conversation._id.toHexString();
    const { departmentId, status } = conversation;
    // Of a department that does not exist nothing tells when it does.
    const isUsual = caller.kind === 'user' && status !== 'closed' && isOfDepartment === (departmentId !== null);
    const foreign = isUsual && !isOfDepartment ? toForeign(caller.account) : undefined;
    if (!isUsual || (!isOfDepartment && foreign === undefined)) {
      known.forget(id);
      return;
    }
    const ofAccount = foreign === undefined ? {} : { account: caller.account, filters: [foreign] };
    known.remember(id, {
      conversation: found,
      users: [...accountableIn(conversation), ...members],
      conditions,
      ...ofAccount,
    });
  };

  const existingDepartment = createLoader<string>(async (ids) => {
    const found = await models.Department.find({ _id: { $in: ids } }, { _id: 1 }).lean();
    return new Map(found.map(({ _id }) => [_id.toHexString(), _id.toHexString()]));
  }, DEPARTMENTS_MAX);

  const ensureBelongs = async (
    caller: Caller,
    { conversation, isOfDepartment }: Reach,
  ): Promise<ReadonlySet<string>> => {
    if (isOfDepartment) return NO_USERS;
    const [belonging] = await belongingOf(caller.kind === 'user' ? caller : undefined, [conversation]);
    if (belonging?.isIn !== true) throw notFound();
    return belonging.outsiders;
  };

  /** @throws ChatError `NOT_FOUND` for a caller of another account */
  const relationOf = async (
    caller: Caller,
    found: Reach,
    answer: Awaited<ReturnType<ReadCaller>>['answer'],
  ): Promise<[outsiders: ReadonlySet<string>, blocked: ReadonlySet<string>]> => {
    if (caller.kind !== 'user') return [await ensureBelongs(caller, found), NO_USERS];
    const others = othersIn(found, caller._id);
    const known = answer(toQuestion(caller, found));
    if (known === undefined) return Promise.all([ensureBelongs(caller, found), blocks.among(caller, others)]);
    const blocked = blockedAmong(caller, others, known);
    if (found.isOfDepartment) return [NO_USERS, blocked];
    const { isIn, outsiders } = decideWith(caller, found.conversation, known);
    if (!isIn) throw notFound();
    return [outsiders, blocked];
  };

  const open = async (principal: Principal, id: string): Promise<Access> => {
    const [{ caller, answer }, found] = await Promise.all([callers.read(principal, id), read(id)]);
    if (found === undefined || !mayOpen(caller, found)) throw notFound();
    const { conversation, members } = found;
    const [outsiders, blocked] = await relationOf(caller, found, answer);
    const others = namedIn(conversation)
      .map((user) => user.toHexString())
      .filter((id) => id !== caller.id);
    const heard = others.filter((id) => !outsiders.has(id) && !blocked.has(id));
    const isBlocked = conversation.visitorId === null && blocked.size > 0 && heard.length === 0;
    const audience = toAudience(found, { outsiders, blocked });
    if (outsiders.size === 0 && blocked.size === 0) remember(caller, found);
    return { caller, conversation, members, blocked, isBlocked, outsiders, audience };
  };

  return {
    /** The members of a department; empty for an unknown one. */
    membersOf: async (departmentId: Types.ObjectId): Promise<Types.ObjectId[]> =>
      (await readDepartment(departmentId))?.members ?? [],
    /** Filters the conversations that `open` would open for a user. */
    async openTo<C extends Shared>(user: Pick<UserCaller, 'id' | 'account'>, conversations: readonly C[]) {
      const ids = [...new Set(conversations.flatMap(({ departmentId }) => departmentId?.toHexString() ?? []))];
      const existing = new Set((await Promise.all(ids.map(existingDepartment))).filter((id) => id !== undefined));
      const isOfDepartment = ({ departmentId }: C): boolean =>
        departmentId !== null && existing.has(departmentId.toHexString());
      const without = conversations.filter((one) => !isOfDepartment(one));
      const belonging = await belongingOf(user, without);
      const decided = new Map(without.map((one, index) => [one, belonging[index]]));
      return conversations.flatMap((conversation) => {
        const { isIn, outsiders } = decided.get(conversation) ?? { isIn: true, outsiders: NO_USERS };
        return isIn ? { conversation, outsiders } : [];
      });
    },
    /** @throws ChatError `NOT_FOUND` for an unknown conversation, or one without access */
    open,
    /** The access as last read, for a write that has its conditions. */
    known(principal: Principal, conversationId: string): KnownAccess | undefined {
      const found = known.find(principal, toId(conversationId));
      if (found === undefined) return undefined;
      const { caller, conversation: reach, conditions } = found;
      if (!mayOpen(caller, reach)) return undefined;
      const { conversation, members } = reach;
      const audience = toAudience(reach, NO_RELATION);
      return { caller, conversation, members, isBlocked: false, ...NO_RELATION, audience, conditions };
    },
    /** To be called when a condition of known access did not hold. */
    noteChange: (principal: Principal, conversationId: string): void =>
      known.noteChange(principal, toId(conversationId)),
    /** As `open`; visitors have no access. */
    async openAsUser(principal: Principal, id: string): Promise<UserAccess> {
      const { caller, ...access } = await open(principal, id);
      if (caller.kind !== 'user') throw notFound();
      return { ...access, caller };
    },
    /** The receivers of a caller's events, read again; empty if the conversation was deleted. */
    async audienceOf(id: string, opened: Relation): Promise<Audience> {
      const found = await read(id);
      return found === undefined ? { rooms: [], except: [] } : toAudience(found, opened);
    },
    /** The receivers of a change of a conversation. @param opened the caller's access before; absent: the caller created it */
    audienceAfter: async (conversation: SupportConversation, opened: Relation = NO_RELATION): Promise<Audience> =>
      toAudience(await reachOf(conversation), opened),
  };
}

/** Other services create conversations too, and omit fields. */
export const complete = (conversation: SupportConversation): SupportConversation => ({
  ...conversation,
  ...completeShared(conversation),
  updatedAt: conversation.updatedAt ?? conversation._id.getTimestamp(),
});

/** The same for the fields that determine access. */
export const completeShared = (conversation: Partial<Shared>): Shared => ({
  participants: conversation.participants ?? [],
  assignedTo: conversation.assignedTo ?? null,
  departmentId: conversation.departmentId ?? null,
  createdBy: conversation.createdBy ?? null,
  visitorId: conversation.visitorId ?? null,
});

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

function mayOpen(caller: Caller, { conversation, members }: Reach): boolean {
  if (caller.kind === 'user') {
    return isNamed(caller, conversation) || members.some((id) => id.equals(caller._id));
  }
  // Both must match: the token lists the conversation, and the conversation has this visitor.
  const id = conversation._id.toHexString();
  return conversation.visitorId === caller.id && caller.conversationIds.some((named) => named.toLowerCase() === id);
}

const NO_USERS: ReadonlySet<string> = new Set();

/** The members of a conversation who do not receive a caller's events. */
type Relation = Pick<Access, 'outsiders' | 'blocked'>;

const NO_RELATION: Relation = { outsiders: NO_USERS, blocked: NO_USERS };

const othersIn = ({ conversation, members }: Reach, user: Types.ObjectId): Types.ObjectId[] =>
  [...namedIn(conversation), ...members].filter((id) => !id.equals(user));

/** Whom else the access of a caller depends on. */
const toQuestion = ({ account }: UserCaller, { conversation, members, isOfDepartment }: Reach): Question => ({
  users: [...accountableIn(conversation), ...members],
  ...(isOfDepartment ? { conditions: [], key: '' } : toConditions(account, conversation)),
});

function toAudience(
  { conversation, members }: Pick<Reach, 'conversation' | 'members'>,
  { outsiders, blocked }: Relation,
): Audience {
  const id = conversation._id.toHexString();
  const { visitorId } = conversation;
  const named = namedIn(conversation).map((user) => user.toHexString());
  return {
    rooms: [
      ...named.filter((user) => !outsiders.has(user)).map(rooms.user),
      ...members.map((user) => rooms.listener(id, rooms.user(user.toHexString()))),
      ...(visitorId === null ? [] : [rooms.listener(id, rooms.visitor(visitorId))]),
    ],
    except: [...blocked].map(rooms.user),
  };
}

/** The id of a conversation in the spelling of the database. */
export const toId = (id: string): string => new Types.ObjectId(id).toHexString();

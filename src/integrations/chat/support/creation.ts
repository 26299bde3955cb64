import { Types } from 'mongoose';
import type { z } from 'zod';
import type { supportPayloads } from '#shared/contracts/support-parts.js';
import type { Department } from '#shared/models/department.js';
import type { Models } from '#shared/models/index.js';
import type { SupportConversation } from '#shared/models/support-conversation.js';
import type { Principal } from '../../../auth/principal.js';
import { keyedId, makeOnce } from '../../../platform/mongo/keyed-id.js';
import type { Clock } from '../../../platform/time/clock.js';
import type { Work } from '../../../realtime/work.js';
import {
  type Authentication,
  type Blocks,
  blockedUser,
  ChatError,
  isBlockBetween,
  isSameAccount,
  NO_USERS,
  type People,
  type UserCaller,
} from '../shared/index.js';
import type { ConversationAccess } from './access.js';
import type { Publisher } from './publisher.js';
import { createShow } from './show.js';
import type { States } from './states.js';
import type { WireConversation } from './to-wire.js';

interface Dependencies {
  models: Models;
  authentication: Authentication;
  people: People;
  blocks: Blocks;
  access: ConversationAccess;
  publisher: Publisher;
  states: States;
  work: Work;
  clock: Clock;
}

type Draft = z.output<typeof supportPayloads.create>;

/** Creates conversations. */
export function createCreation(dependencies: Dependencies) {
  const { models, authentication, people, blocks, access, publisher, states, work, clock } = dependencies;
  const { SupportConversation: Conversation } = models;
  const show = createShow(models);

  /** @throws ChatError `NOT_FOUND` */
  const findDepartment = async (
    departmentId: string | undefined,
  ): Promise<Pick<Department, '_id' | 'members'> | null> => {
    if (departmentId === undefined) return null;
    const found = await models.Department.findById(departmentId, { members: 1 }).lean();
    if (found === null) throw new ChatError('NOT_FOUND', 'Department not found');
    return found;
  };

  /**
   * Users can start conversations within their account, or through a department that one of the two is a member of.
   * @throws ChatError `NOT_FOUND` for a user outside of these, `FORBIDDEN` for a block between any two
   */
  const ensurePeople = async (
    caller: UserCaller,
    ids: readonly string[],
    members: readonly Types.ObjectId[],
  ): Promise<Types.ObjectId[]> => {
    const wanted = [...new Set([caller.id, ...ids])];
    const found = await people.findMany(wanted);
    if (found.length < wanted.length) throw new ChatError('NOT_FOUND', 'User not found');
    const isMember = ({ _id }: { _id: Types.ObjectId }): boolean => members.some((id) => id.equals(_id));
    const mayBegin = found.every((one) => isSameAccount(caller, one) || isMember(caller) || isMember(one));
    if (!mayBegin) throw new ChatError('NOT_FOUND', 'User not found');
    const isBlocked = found.some((one, index) => found.slice(index + 1).some((other) => isBlockBetween(one, other)));
    if (isBlocked) throw blockedUser();
    return found.map(({ _id }) => _id);
  };

  /** The conversation that an earlier call has created. @throws ChatError `NOT_FOUND` for a caller who is not in it any more */
  const showMade = async (principal: Principal, id: Types.ObjectId): Promise<WireConversation> =>
    show.one((await access.openAsUser(principal, id.toHexString())).conversation);

  const create = async (
    { principal, caller }: { principal: Principal; caller: UserCaller },
    _id: Types.ObjectId,
    data: Draft,
  ): Promise<WireConversation> => {
    const department = await findDepartment(data.departmentId);
    const participants = await ensurePeople(caller, data.participants, department?.members ?? []);
    const agents = department?.members.filter((id) => !id.equals(caller._id)) ?? [];
    const excluded = { outsiders: NO_USERS, blocked: await blocks.among(caller, agents) };
    await work.pay(principal, { receivers: participants.length + publisher.agentsHere(department?._id ?? null) });
    const now = new Date(clock.now());
    const conversation: SupportConversation = {
      _id,
      participants,
      assignedTo: null,
      departmentId: department?._id ?? null,
      visitorId: data.visitorId ?? null,
      subject: data.subject,
      status: 'open',
      priority: data.priority,
      lastMessage: null,
      lastMessageAt: null,
      createdBy: caller._id,
      createdAt: now,
      updatedAt: now,
    };
    const store = () => Conversation.insertMany([conversation], { timestamps: false });
    return states.create({ conversation, caller, excluded }, store);
  };

  /**
   * Creates a conversation of the caller, the given users and a department, and notifies all of them. A call with the same
   * `clientConversationId` is a retry.
   */
  return async function createSupportConversation(principal: Principal, data: Draft): Promise<WireConversation> {
    const caller = await authentication.userOf(principal);
    const { clientConversationId: key } = data;
    if (key === undefined) return create({ principal, caller }, new Types.ObjectId(), data);
    const id = keyedId('support', caller.id, key);
    return makeOnce({
      isMade: async () => (await Conversation.exists({ _id: id })) !== null,
      make: () => create({ principal, caller }, id, data),
      show: () => showMade(principal, id),
    });
  };
}

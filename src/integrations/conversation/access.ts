import { type ClientSession, Types } from 'mongoose';
import type { Conversation } from '#shared/models/conversation.js';
import type { Models } from '#shared/models/index.js';
import type { Member } from '#shared/models/member.js';
import { GatewayError } from '../../errors.js';
import { readStored, repairDocuments } from '../../models/index.js';
import type { CountedTransaction } from './counters/index.js';
import type { ConversationKind } from './kind.js';
import { canParticipate, type Viewer } from './viewer.js';

/** A conversation and the viewer's member. */
export interface Access {
  readonly conversation: Conversation;
  readonly member: Member;
}

/** The same with all members, including the viewer's. */
export interface FullAccess extends Access {
  readonly members: Member[];
}

type Kind = Pick<ConversationKind, 'conversations'>;

/** Members that come in one reply: more than a conversation has. */
const MEMBERS_BATCH = 1000;

/**
 * The conversations that a viewer may access: those of their account that name them. Access requires this and a member
 * document. Both are read again for every event, so a removal takes effect at once on every node.
 */
export const isAccessible = ({ account, users }: Pick<Conversation, 'account' | 'users'>, viewer: Viewer): boolean =>
  canParticipate(viewer) && account.equals(viewer.accountId) && isNamed({ users }, viewer.userId);

/** Whether a conversation names a user. Accepts text, because some services store ids as text. */
export const isNamed = ({ users }: Pick<Conversation, 'users'>, user: Types.ObjectId): boolean =>
  users.some((id) => id.equals(user));

/** @throws GatewayError `NOT_FOUND` for a conversation that is missing or not accessible */
export async function ensureAccess(
  { Member }: Pick<Models, 'Member'>,
  { conversations }: Kind,
  { viewer, id, session = null }: { viewer: Viewer; id: string; session?: ClientSession | null },
): Promise<Access> {
  const readConversation = () => conversations.findById(id).session(session).lean();
  const readMember = () => Member.findOne({ conversation: id, user: viewer.userId }).session(session).lean();
  // A session runs one operation at a time.
  const [conversation, member] =
    session === null
      ? await Promise.all([readConversation(), readMember()])
      : [await readConversation(), await readMember()];
  if (conversation === null || member === null || !isAccessible(conversation, viewer)) {
    throw new GatewayError('NOT_FOUND');
  }
  return { conversation, member };
}

/**
 * As {@link ensureAccess}, for an event to the participants.
 * @returns the ids of all participants, with the viewer's
 */
export async function ensureParticipants(
  models: Pick<Models, 'Member'>,
  { conversations }: Kind,
  { viewer, id }: { viewer: Viewer; id: string },
): Promise<string[]> {
  const [conversation, userIds] = await Promise.all([conversations.findById(id).lean(), readMemberIds(models, id)]);
  if (conversation === null || !isAccessible(conversation, viewer)) throw new GatewayError('NOT_FOUND');
  const participants = namedAmong(userIds, conversation);
  if (!participants.includes(viewer.id)) throw new GatewayError('NOT_FOUND');
  return participants;
}

/** The ids of users who have a member. Only the index is read. */
export async function readMemberIds({ Member }: Pick<Models, 'Member'>, id: string): Promise<string[]> {
  const options = { projection: { _id: 0, user: 1 }, batchSize: MEMBERS_BATCH } as const;
  const members = await Member.collection.find({ conversation: new Types.ObjectId(id) }, options).toArray();
  return members.map(({ user }) => String(user));
}

/** Those of the users that the conversation names. */
export function namedAmong(userIds: readonly string[], conversation: Pick<Conversation, 'users'>): string[] {
  const named = namedIn(conversation);
  return userIds.filter((user) => named.has(user));
}

/** As {@link ensureAccess}, with all members. */
export async function ensureFullAccess(
  models: Pick<Models, 'Member'>,
  { conversations }: Kind,
  { viewer, id, transaction }: { viewer: Viewer; id: string; transaction: CountedTransaction },
): Promise<FullAccess> {
  const conversation = await conversations.findById(id).session(transaction.session).lean();
  if (conversation === null || !isAccessible(conversation, viewer)) throw new GatewayError('NOT_FOUND');
  return withMembers(models, conversation, { viewer, transaction });
}

/**
 * Adds all members. Other services remove users from a conversation and leave their members: those are deleted here, so that
 * nothing is counted for or sent to removed users. Fields with wrong types are repaired, because updates such as an increment
 * would fail on them.
 * @throws GatewayError `NOT_FOUND` when the viewer is not a participant
 */
export async function withMembers(
  { Member }: Pick<Models, 'Member'>,
  conversation: Conversation,
  { viewer, transaction }: { viewer: Viewer; transaction: CountedTransaction },
): Promise<FullAccess> {
  const { session, forget } = transaction;
  const found = await Member.collection
    .find({ conversation: conversation._id }, { session, batchSize: MEMBERS_BATCH })
    .toArray();
  const stored = found.map((one) => readStored(Member, one));
  const members = participantsOf({ conversation, members: stored });
  const member = members.find(({ user }) => user.equals(viewer.userId));
  if (member === undefined) throw new GatewayError('NOT_FOUND');
  if (members.length < stored.length) {
    const departed = stored.filter((one) => !members.includes(one));
    const ids = departed.map(({ _id }) => _id);
    await Member.deleteMany({ _id: { $in: ids }, conversation: conversation._id }, { session });
    for (const one of departed) forget(one);
  }
  await repairDocuments(Member, members, session);
  return { conversation, member, members };
}

/** The members that the conversation names. Users removed from either get no events. */
export function participantsOf({ conversation, members }: Pick<FullAccess, 'conversation' | 'members'>): Member[] {
  const named = namedIn(conversation);
  return members.filter(({ user }) => named.has(user.toHexString()));
}

/** The users that a conversation names, each once. */
export const namedIn = ({ users }: Pick<Conversation, 'users'>): Set<string> =>
  new Set(users.map((id) => id.toHexString()));

/** @throws GatewayError `FORBIDDEN` in a conversation of two users with a block between them */
export function ensureHeard({ id }: Viewer, members: readonly Member[], blocked: ReadonlySet<string>): void {
  const [other, ...more] = members.map(({ user }) => user.toHexString()).filter((user) => user !== id);
  if (other !== undefined && more.length === 0 && blocked.has(other)) throw new GatewayError('FORBIDDEN');
}

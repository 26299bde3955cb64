import type { ClientSession, Types } from 'mongoose';
import type { Conversation } from '#shared/models/conversation.js';
import type { Models } from '#shared/models/index.js';
import type { Member } from '#shared/models/member.js';
import { GatewayError } from '../../errors.js';
import { repairDocuments } from '../../models/index.js';
import type { CountedTransaction } from './counters/index.js';
import type { ConversationKind } from './kind.js';
import { isSomebody, type Viewer } from './viewer.js';

/** A conversation with the viewer's own state in it. */
export interface Access {
  readonly conversation: Conversation;
  readonly member: Member;
}

/** The same with everybody who takes part, the viewer too. */
export interface FullAccess extends Access {
  readonly members: Member[];
}

type Kind = Pick<ConversationKind, 'conversations'>;

/**
 * The conversations that a viewer may know of: those of their account that name them. This, and a member document, is all
 * that access is; both are read again for every event, so whoever is taken out of either is out at once, on every node.
 */
export const isAccessible = ({ account, users }: Pick<Conversation, 'account' | 'users'>, viewer: Viewer): boolean =>
  isSomebody(viewer) && account.equals(viewer.accountId) && isNamed({ users }, viewer.userId);

/** Whether a conversation names a user. Asked of documents as they are read: some services store ids as text. */
export const isNamed = ({ users }: Pick<Conversation, 'users'>, user: Types.ObjectId): boolean =>
  users.some((id) => id.equals(user));

/** @throws GatewayError `NOT_FOUND` for a conversation that is not there, or not for this viewer */
export async function ensureAccess(
  { Member }: Pick<Models, 'Member'>,
  { conversations }: Kind,
  { viewer, id, session = null }: { viewer: Viewer; id: string; session?: ClientSession | null },
): Promise<Access> {
  const readConversation = () => conversations.findById(id).session(session).lean();
  const readMember = () => Member.findOne({ conversation: id, user: viewer.userId }).session(session).lean();
  // A session does one thing at a time.
  const [conversation, member] =
    session === null
      ? await Promise.all([readConversation(), readMember()])
      : [await readConversation(), await readMember()];
  if (conversation === null || member === null || !isAccessible(conversation, viewer)) {
    throw new GatewayError('NOT_FOUND');
  }
  return { conversation, member };
}

/** As {@link ensureAccess}, with all who take part. */
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
 * Adds all who take part. Other services take people out of a conversation and leave their state in it: it ends here, so
 * that nothing that happens from now on is counted for them, and they are not told of that either. What they have stored of
 * a state in wrong types is stored right, because updates such as an increment would fail on it.
 * @throws GatewayError `NOT_FOUND` when the viewer does not take part
 */
export async function withMembers(
  { Member }: Pick<Models, 'Member'>,
  conversation: Conversation,
  { viewer, transaction }: { viewer: Viewer; transaction: CountedTransaction },
): Promise<FullAccess> {
  const { session, forget } = transaction;
  const stored = await Member.find({ conversation: conversation._id }).session(session).lean();
  const members = participantsOf({ conversation, members: stored });
  const member = members.find(({ user }) => user.equals(viewer.userId));
  if (member === undefined) throw new GatewayError('NOT_FOUND');
  if (members.length < stored.length) {
    const departed = stored.filter((one) => !members.includes(one));
    await Member.deleteMany({ _id: { $in: departed.map(({ _id }) => _id) } }, { session });
    for (const one of departed) forget(one);
  }
  await repairDocuments(Member, members, session);
  return { conversation, member, members };
}

/** Those members whom the conversation names: whoever was taken out of either is told nothing. */
export function participantsOf({ conversation, members }: Pick<FullAccess, 'conversation' | 'members'>): Member[] {
  const named = namedIn(conversation);
  return members.filter(({ user }) => named.has(user.toHexString()));
}

/** The users whom a conversation names, each once. */
export const namedIn = ({ users }: Pick<Conversation, 'users'>): Set<string> =>
  new Set(users.map((id) => id.toHexString()));

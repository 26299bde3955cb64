import type { Conversation } from '#shared/models/conversation.js';
import type { Models } from '#shared/models/index.js';
import type { Member } from '#shared/models/member.js';
import { GatewayError } from '../../errors.js';
import { runTransaction } from '../../platform/mongo/transaction.js';
import { type Access, ensureAccess, isAccessible } from './access.js';
import type { ConversationKind } from './kind.js';
import type { Viewer } from './viewer.js';

/**
 * The conversations of one user as they are at one moment. A message changes a conversation and its members in one transaction. When
 * it is stored between the reads of the two, the last message and the number of unread messages do not belong together, and a
 * client that counts on from there is wrong until it loads again. Those are read again, from one snapshot.
 * @returns the same in the same order, without those that are gone
 */
export async function readConsistently(
  { Member }: Pick<Models, 'Member'>,
  { conversations }: Pick<ConversationKind, 'conversations'>,
  accesses: readonly Access[],
): Promise<readonly Access[]> {
  const torn = accesses.filter((access) => !isOfOneMoment(access));
  if (torn.length === 0) return accesses;
  const again = await runTransaction(Member.db, async (session) => {
    const ids = { $in: torn.map(({ conversation }) => conversation._id) };
    const own = { _id: { $in: torn.map(({ member }) => member._id) }, conversation: ids };
    const members = await Member.find(own).session(session).lean<Member[]>();
    const found = await conversations.find({ _id: ids }).session(session).lean<Conversation[]>();
    const byId = new Map(found.map((conversation) => [conversation._id.toHexString(), conversation]));
    return new Map(
      members.flatMap((member) => {
        const conversation = byId.get(member.conversation.toHexString());
        return conversation === undefined ? [] : [[member._id.toHexString(), { conversation, member }]];
      }),
    );
  });
  return accesses.flatMap((access) =>
    isOfOneMoment(access) ? access : (again.get(access.member._id.toHexString()) ?? []),
  );
}

/** As `ensureAccess`, as both are at one moment. @throws GatewayError `NOT_FOUND` */
export async function ensureAccessToShow(
  models: Pick<Models, 'Member'>,
  kind: Pick<ConversationKind, 'conversations'>,
  { viewer, id }: { viewer: Viewer; id: string },
): Promise<Access> {
  const [access] = await readConsistently(models, kind, [await ensureAccess(models, kind, { viewer, id })]);
  if (access === undefined || !isAccessible(access.conversation, viewer)) throw new GatewayError('NOT_FOUND');
  return access;
}

/** Each message gives both the same time. In documents of other services it can be missing. */
const isOfOneMoment = ({ conversation, member }: Access): boolean =>
  conversation.last_activity_at === undefined ||
  member.last_activity_at === undefined ||
  conversation.last_activity_at.getTime() === member.last_activity_at.getTime();

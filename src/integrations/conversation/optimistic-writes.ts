import type { Types } from 'mongoose';
import type { Conversation } from '#shared/models/conversation.js';
import type { Models } from '#shared/models/index.js';
import { proofOf, storedForms } from '../../models/index.js';
import type { Write } from '../../platform/mongo/write-together.js';
import { type BlockedUser, blockedUserFields } from '../users/index.js';
import type { ConversationKind, StoredMessage } from './kind.js';

/** A message whose time is known. */
export type SentMessage = StoredMessage & { readonly createdAt: Date };

/** A write, and the number of documents that it must insert or match; a condition has none. */
export interface ExpectedWrite {
  readonly write: Write;
  readonly count?: number;
  /** It fails alone when another node has stored a later message. */
  readonly isActivity?: boolean;
}

type Sender = BlockedUser['user'];

interface Messages {
  readonly conversation: Pick<Conversation, '_id' | 'account' | 'users' | 'title'>;
  /** In the order of their times. */
  readonly messages: readonly SentMessage[];
  /** The sender of each. */
  readonly senders: readonly Sender[];
}

/** Makes the writes that store messages, the activity of their conversation and the unread numbers, behind their conditions. */
export function createOptimisticWrites(
  { Member, User }: Pick<Models, 'Member' | 'User'>,
  kind: Pick<ConversationKind, 'conversations' | 'messages'>,
): (messages: Messages) => ExpectedWrite[] {
  const [members, users, conversations, messages] = [Member, User, kind.conversations, kind.messages].map(
    ({ collection }) => collection.collectionName,
  ) as [string, string, string, string];

  /** The senders are as remembered, and no participant has blocked one of them. */
  const toConditions = (participants: readonly Types.ObjectId[], senders: readonly Sender[]): ExpectedWrite[] => {
    const blockedUsers = { $in: storedForms(...senders.map(idOf)) };
    return [
      ...senders.map((sender) => ({ write: { collection: users, expects: proofOf(sender, blockedUserFields) } })),
      { write: { collection: users, excludes: { _id: { $in: participants }, blockedUsers } } },
    ];
  };

  return function toOptimisticWrites({
    conversation: { _id, account, users: participants, title },
    messages: sent,
    senders,
  }) {
    const [first, last] = [sent[0], sent.at(-1)];
    if (first === undefined || last === undefined) return [];
    const at = last.createdAt;
    const said = countEach(senders);
    const distinct = [...said.keys()];

    const toUnread = (user: object, unread: number, count: number): ExpectedWrite => ({
      write: {
        collection: members,
        isMany: true,
        // The first unread message of a member changes counters.
        filter: { conversation: _id, user, ...(unread > 0 && { unread_count: { $gt: 0 } }) },
        update: { ...(unread > 0 && { $inc: { unread_count: unread } }), $max: { last_activity_at: at } },
      },
      count,
    });
    return [
      ...toConditions(participants, distinct),
      {
        write: {
          collection: conversations,
          filter: { _id, account, users: participants, title, last_activity_at: { $lt: first.createdAt } },
          update: { $set: { last_activity: last._id, last_activity_at: at, updatedAt: at } },
        },
        count: 1,
        isActivity: true,
      },
      ...sent.map((message) => ({ write: { collection: messages, insert: { ...message, __v: 0 } }, count: 1 })),
      toUnread({ $nin: distinct.map(idOf) }, sent.length, participants.length - distinct.length),
      // A message is unread for everyone but its sender.
      ...[...new Set(said.values())].map((own) => {
        const alike = distinct.filter((sender) => said.get(sender) === own).map(idOf);
        return toUnread({ $in: alike }, sent.length - own, alike.length);
      }),
    ];
  };
}

const idOf = ({ _id }: Sender): Types.ObjectId => _id;

function countEach(senders: readonly Sender[]): ReadonlyMap<Sender, number> {
  const counts = new Map<Sender, number>();
  for (const sender of senders) counts.set(sender, (counts.get(sender) ?? 0) + 1);
  return counts;
}

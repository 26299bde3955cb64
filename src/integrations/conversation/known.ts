import type { ClientSession } from 'mongoose';
import type { Conversation } from '#shared/models/conversation.js';
import type { Models } from '#shared/models/index.js';
import type { Member } from '#shared/models/member.js';
import { changedFields, proofOf, storedForms } from '../../models/index.js';
import { createBoundedMap } from '../../platform/bounded-map.js';
import { StaleError } from '../../platform/mongo/transaction.js';
import type { Write, WriteTogether } from '../../platform/mongo/write-together.js';
import { type BlockedUser, blockedUserFields } from '../users/index.js';
import { isAccessible } from './access.js';
import type { ConversationKind, StoredMessage } from './kind.js';
import type { Viewer } from './viewer.js';

/** Conversations that a node remembers, and participants of one of them. */
const REMEMBERED_MAX = 2000;
const PARTICIPANTS_MAX = 50;
/** Senders that a node remembers. */
const SENDERS_MAX = 10_000;

/** A conversation of which a message probably changes no counters: all have unread messages, except possibly the sender. */
export interface Known {
  readonly conversation: Conversation & { readonly last_activity_at: Date };
  readonly members: readonly Member[];
  /** The user without unread messages; only this one can be the sender. */
  readonly reader: string | undefined;
}

/** A conversation and a sender who has no block with any of its members. */
export interface KnownToSender extends Known {
  readonly sender: BlockedUser;
}

/**
 * Stores messages without reading their conversation and sender first. The writes match the documents only as they are
 * remembered, and the database counts what matched. So nothing is decided by what was remembered: another participant, a
 * message that was read, a later message of another node, a block or another name of the sender makes a write fail, and the
 * message is stored anew by reading everything.
 */
export function createKnownConversations(
  { Member: members, User: userModel }: Pick<Models, 'Member' | 'User'>,
  { conversations, messages }: Pick<ConversationKind, 'conversations' | 'messages'>,
  write: WriteTogether,
) {
  const remembered = createBoundedMap<Known>(REMEMBERED_MAX);
  const senders = createBoundedMap<BlockedUser>(SENDERS_MAX);

  /** The sender is as remembered, and none of the others has blocked them. */
  const toConditions = ({ members: all, sender: { user } }: KnownToSender): Write[] => {
    const collection = userModel.collection.collectionName;
    const others = all.flatMap((member) => (member.user.equals(user._id) ? [] : member.user));
    return [
      { collection, expects: proofOf(user, blockedUserFields) },
      { collection, excludes: { _id: { $in: others }, blockedUsers: { $in: storedForms(user._id) } } },
    ];
  };

  const forget = (viewer: Viewer, id: string): void => {
    remembered.delete(id);
    senders.delete(viewer.id);
  };

  return {
    /** What is remembered of a conversation, if a message of the viewer probably changes no counters. */
    find(viewer: Viewer, id: string): KnownToSender | undefined {
      const known = remembered.get(id);
      const sender = senders.get(viewer.id);
      if (known === undefined || sender === undefined || !isAccessible(known.conversation, viewer)) return undefined;
      if (known.reader !== undefined && known.reader !== viewer.id) return undefined;
      const isApart =
        sender.blocked.size > 0 && known.members.some(({ user }) => sender.blocked.has(user.toHexString()));
      return isApart ? undefined : { ...known, sender };
    },

    /**
     * Stores a message, the activity of its conversation and the unread numbers.
     * @returns the message with its time
     * @throws StaleError
     */
    async store<M extends StoredMessage & { createdAt: Date }>(
      known: KnownToSender,
      draft: M,
      { viewer, session }: { viewer: Viewer; session: ClientSession },
    ): Promise<M> {
      const { _id, account, users, title, last_activity_at: before } = known.conversation;
      const at = new Date(Math.max(draft.createdAt.getTime(), before.getTime() + 1));
      const message = { ...draft, createdAt: at };
      const activity = { last_activity: draft._id, last_activity_at: at, updatedAt: draft.createdAt };
      const $max = { last_activity_at: at };
      const others = { conversation: _id, user: { $ne: viewer.userId }, unread_count: { $gt: 0 } };
      const { collectionName: collection } = members.collection;
      const conditions = toConditions(known);
      const id = _id.toHexString();
      const counts = await write
        .inTransaction(
          [
            ...conditions,
            {
              collection: conversations.collection.collectionName,
              filter: { _id, account, users, title, last_activity_at: { $lt: at } },
              update: { $set: activity },
            },
            { collection: messages.collection.collectionName, insert: { ...message, __v: 0 } },
            { collection, isMany: true, filter: others, update: { $inc: { unread_count: 1 }, $max } },
            { collection, filter: { conversation: _id, user: viewer.userId }, update: { $max } },
          ],
          session,
        )
        .catch((error: unknown) => {
          if (error instanceof StaleError) forget(viewer, id);
          throw error;
        });
      const expected = [1, 1, users.length - 1, 1];
      if (expected.some((count, index) => count !== counts[conditions.length + index])) {
        forget(viewer, id);
        throw new StaleError();
      }
      // Without harm if the transaction fails: the next message is a millisecond later than necessary.
      const conversation = { ...known.conversation, last_activity_at: at };
      const { members: all, reader } = known;
      remembered.set(id, { conversation, members: all, reader });
      return message;
    },

    /**
     * To be called when a message was stored by reading everything.
     * @param conversation after the message @param members before it @param sender `undefined`: not in the database
     */
    remember(
      viewer: Viewer,
      {
        conversation,
        members,
        sender,
      }: { conversation: Conversation; members: readonly Member[]; sender: BlockedUser | undefined },
    ): void {
      if (sender === undefined) senders.delete(viewer.id);
      else senders.set(viewer.id, sender);
      const id = conversation._id.toHexString();
      const others = members.filter(({ user }) => !user.equals(viewer.userId));
      const isUsual =
        members.length <= PARTICIPANTS_MAX &&
        members.length === conversation.users.length &&
        [conversation, ...members].every((document) => Object.keys(changedFields(document)).length === 0);
      const { last_activity_at } = conversation;
      if (!isUsual || last_activity_at === undefined || others.some(({ unread_count }) => unread_count <= 0)) {
        remembered.delete(id);
        return;
      }
      const own = members.find(({ user }) => user.equals(viewer.userId));
      const reader = own !== undefined && own.unread_count > 0 ? undefined : viewer.id;
      remembered.set(id, { conversation: { ...conversation, last_activity_at }, members, reader });
    },
  };
}

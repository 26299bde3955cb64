import type { ClientSession } from 'mongoose';
import type { Conversation } from '#shared/models/conversation.js';
import type { Models } from '#shared/models/index.js';
import type { Member } from '#shared/models/member.js';
import { changedFields } from '../../models/index.js';
import { createBoundedMap } from '../../platform/bounded-map.js';
import { StaleError } from '../../platform/mongo/transaction.js';
import type { WriteTogether } from '../../platform/mongo/write-together.js';
import type { BlockedUser } from '../users/index.js';
import { isAccessible } from './access.js';
import type { ConversationKind } from './kind.js';
import { createOptimisticWrites, type SentMessage } from './optimistic-writes.js';
import type { Viewer } from './viewer.js';

/** Conversations that a node remembers, and participants of one of them. */
const REMEMBERED_MAX = 2000;
const PARTICIPANTS_MAX = 50;
/** Senders that a node remembers. */
const SENDERS_MAX = 10_000;

/** A conversation of which a message probably changes no counters: all have unread messages, except possibly the sender. */
export interface RememberedConversation {
  readonly conversation: Conversation & { readonly last_activity_at: Date };
  readonly members: readonly Member[];
  /** The user without unread messages; only this one can be the sender. */
  readonly reader: string | undefined;
  /** Another node has stored a later message. */
  readonly isBehind: boolean;
}

/** A conversation and a sender who has no block with any of its members. */
export interface RememberedToSender extends RememberedConversation {
  readonly sender: BlockedUser;
}

/**
 * Stores messages optimistically, without reading their conversation and senders first. The writes match the documents only as
 * they are remembered, and the database counts what matched. So nothing is decided by what was remembered: another participant,
 * a message that was read, a block or another name of a sender makes a write fail, and the messages are stored anew by reading
 * everything. When another node has stored a later message, only the time of that is read.
 */
export function createOptimisticStore(
  models: Pick<Models, 'Member' | 'User'>,
  kind: Pick<ConversationKind, 'conversations' | 'messages'>,
  write: WriteTogether,
) {
  const remembered = createBoundedMap<RememberedConversation>(REMEMBERED_MAX);
  const senders = createBoundedMap<BlockedUser>(SENDERS_MAX);
  const toWrites = createOptimisticWrites(models, kind);

  const forget = (id: string, users: readonly BlockedUser['user'][]): void => {
    remembered.delete(id);
    for (const { _id } of users) senders.delete(_id.toHexString());
  };

  /** The time of the last message, if the conversation is as remembered otherwise. */
  const readTime = async (
    { _id, account, users, title }: Conversation,
    session: ClientSession,
  ): Promise<Date | undefined> => {
    const options = { session, projection: { last_activity_at: 1 } };
    const found = await kind.conversations.collection.findOne({ _id, account, users, title }, options);
    const at: unknown = found?.['last_activity_at'];
    return at instanceof Date ? at : undefined;
  };

  return {
    /** What is remembered of a conversation, if a message of the viewer probably changes no counters. */
    find(viewer: Viewer, id: string): RememberedToSender | undefined {
      const known = remembered.get(id);
      const sender = senders.get(viewer.id);
      if (known === undefined || sender === undefined || !isAccessible(known.conversation, viewer)) return undefined;
      if (known.reader !== undefined && known.reader !== viewer.id) return undefined;
      const isApart =
        sender.blocked.size > 0 && known.members.some(({ user }) => sender.blocked.has(user.toHexString()));
      return isApart ? undefined : { ...known, sender };
    },

    /**
     * Stores messages of one conversation, its activity and the unread numbers.
     * @param sent the messages in the order of their arrival, and what is known to their senders
     * @returns the messages with their times
     * @throws StaleError
     */
    async store<M extends SentMessage>(
      { conversation, members, reader, isBehind }: RememberedConversation,
      sent: readonly { readonly sender: BlockedUser; readonly message: M }[],
      session: ClientSession,
    ): Promise<M[]> {
      const id = conversation._id.toHexString();
      const users = sent.map(({ sender }) => sender.user);
      const noteStale = (): StaleError => {
        forget(id, users);
        return new StaleError();
      };
      const before = isBehind ? await readTime(conversation, session) : conversation.last_activity_at;
      if (before === undefined) throw noteStale();
      const messages = toTimed(
        sent.map(({ message }) => message),
        before,
      );
      const expected = toWrites({ conversation, messages, senders: users });
      const counts = await write
        .inTransaction(
          expected.map((one) => one.write),
          session,
        )
        .catch((error: unknown) => {
          throw error instanceof StaleError ? noteStale() : error;
        });
      const others = expected.filter(({ count }, index) => count !== undefined && count !== counts[index]);
      if (others.length === 1 && others[0]?.isActivity === true && !isBehind) {
        remembered.set(id, { conversation, members, reader, isBehind: true });
        throw new StaleError();
      }
      if (others.length > 0) throw noteStale();
      // Without harm if the transaction fails: the next message is a millisecond later than necessary.
      const last_activity_at = messages.at(-1)?.createdAt ?? before;
      remembered.set(id, { conversation: { ...conversation, last_activity_at }, members, reader, isBehind: false });
      return messages;
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
      remembered.set(id, { conversation: { ...conversation, last_activity_at }, members, reader, isBehind: false });
    },
  };
}

/** A message is at least a millisecond later than the one before it. */
function toTimed<M extends SentMessage>(messages: readonly M[], before: Date): M[] {
  let time = before.getTime();
  return messages.map((message) => {
    time = Math.max(message.createdAt.getTime(), time + 1);
    return { ...message, createdAt: new Date(time) };
  });
}

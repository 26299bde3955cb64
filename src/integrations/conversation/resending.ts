import type { Types } from 'mongoose';
import type { Conversation } from '#shared/models/conversation.js';
import type { Member } from '#shared/models/member.js';
import type { LastChanges, Resending } from '../../framework/integration.js';
import { toIdText } from '../../models/index.js';
import { chunksOf, groupBy } from '../../platform/lists.js';
import type { StoredChange } from '../../platform/mongo/changes.js';
import { NO_USERS } from '../users/index.js';
import { participantsOf } from './access.js';
import type { ConversationDependencies } from './dependencies.js';
import type { Description, StoredMessage, WireMessage } from './kind.js';
import { publishMessage, toUpdate } from './publishing/publish.js';

/** Documents that are read together. */
const READ_MAX = 200;

/** What a message changes of its conversation, and of its members: it is told by its own event. */
const BY_MESSAGES: ReadonlySet<string> = new Set([
  'last_activity',
  'last_activity_at',
  'updatedAt',
  'unread_count',
  'mentioned',
]);

/** Whether more was changed than messages do. A number of unread messages alone is changed by reading. */
const isTold = ({ isNew, fields }: StoredChange): boolean =>
  isNew ||
  [...fields].some((path) => !BY_MESSAGES.has(path)) ||
  (fields.has('unread_count') && !fields.has('last_activity_at'));

/** Sends again what a node may have stored and not sent, of conversations of one kind. */
export function createResending<D extends Description, M extends WireMessage>({
  models,
  kind,
  blocks,
  publish,
  publishConversation,
  clock,
}: ConversationDependencies<D, M>): Resending {
  const { Member } = models;

  /** Those of the members who may hear what a user has done; of a user who is not known, those without a block among them. */
  const hearersOf = async (members: readonly Member[], user: string | undefined): Promise<Member[]> => {
    const idOf = (member: Member): string => member.user.toHexString();
    if (user !== undefined && user !== '') {
      const blocked = await blocks.of(user);
      return members.filter((member) => !blocked.has(idOf(member)));
    }
    const users = await blocks.withUsers(members.map(idOf));
    return members.filter((member) => {
      const { blocked } = users.get(idOf(member)) ?? { blocked: NO_USERS };
      return !members.some((other) => blocked.has(idOf(other)));
    });
  };

  const readConversations = async (ids: readonly Types.ObjectId[]): Promise<Conversation[]> =>
    kind.conversations.find({ _id: { $in: [...ids] } }).lean<Conversation[]>();

  const readMembers = async (
    conversations: readonly Conversation[],
  ): Promise<(conversation: Conversation) => Member[]> => {
    const found = await Member.find({ conversation: { $in: conversations.map(({ _id }) => _id) } }).lean<Member[]>();
    const byConversation = groupBy(found, ({ conversation }) => conversation.toHexString());
    return (conversation) =>
      participantsOf({ conversation, members: byConversation.get(conversation._id.toHexString()) ?? [] });
  };

  /** Sends messages, and then what is unread, which is right whether a client knew a message or not. */
  const sendMessages = async (ids: readonly Types.ObjectId[]): Promise<void> => {
    const messages = await kind.messages
      .find({ _id: { $in: [...ids] } })
      .sort({ createdAt: 1, _id: 1 })
      .lean<StoredMessage[]>();
    const conversations = await readConversations(messages.flatMap(({ conversation_id }) => conversation_id));
    const [toWire, membersOf] = await Promise.all([kind.describeMessages(messages), readMembers(conversations)]);
    for (const conversation of conversations) {
      const conversationId = conversation._id.toHexString();
      const own = messages.filter(({ conversation_id }) =>
        [conversation_id].flat().some((id) => conversation._id.equals(id)),
      );
      const told = new Map<string, Member>();
      for (const message of own) {
        const hearers = await hearersOf(membersOf(conversation), toIdText(message.sent_by));
        for (const member of hearers) told.set(member.user.toHexString(), member);
        const users = hearers.map(({ user }) => user.toHexString());
        publishMessage({ publish, kind }, users, { message, conversationId, toWire });
      }
      await publishConversation({ conversation, members: [...told.values()] });
    }
  };

  const sendShared = async (changes: readonly StoredChange[]): Promise<void> => {
    const conversations = await readConversations(changes.map(({ id }) => id));
    const membersOf = await readMembers(conversations);
    for (const conversation of conversations) {
      const members = await hearersOf(membersOf(conversation), conversation.changed_by?.toHexString());
      await publishConversation({ conversation, members });
    }
  };

  const sendRead = async ({ user, conversation, last_read }: Member, members: readonly Member[]): Promise<void> => {
    const reader = user.toHexString();
    const hearers = await hearersOf(members, reader);
    const others = hearers.map((one) => one.user.toHexString()).filter((one) => one !== reader);
    const read_at = new Date(clock.now()).toISOString();
    const about = {
      conversation_id: conversation.toHexString(),
      userID: reader,
      message_id: last_read?.toHexString() ?? null,
    };
    publish(others, { event: kind.events.read, payload: { ...about, read_at } });
  };

  const sendOwn = async (changes: readonly StoredChange[]): Promise<void> => {
    const changed = new Map(changes.map((one) => [one.id.toHexString(), one]));
    const own = { _id: { $in: changes.map(({ id }) => id) }, kind: kind.name };
    const found = await Member.find(own).lean<Member[]>();
    const conversations = await readConversations(found.map(({ conversation }) => conversation));
    const membersOf = await readMembers(conversations);
    for (const conversation of conversations) {
      const members = membersOf(conversation);
      const changeOf = ({ _id }: Member): StoredChange | undefined => changed.get(_id.toHexString());
      const own = members.filter((member) => changeOf(member) !== undefined);
      const added = new Set(own.filter((member) => changeOf(member)?.isNew).map(({ user }) => user.toHexString()));
      await publishConversation({ conversation, members: own }, (view, user) =>
        added.has(user) ? { event: kind.events.added, payload: view } : toUpdate(view),
      );
      for (const member of own) if (changeOf(member)?.fields.has('last_read') === true) await sendRead(member, members);
    }
  };

  const { conversations, messages } = kind;
  return {
    collections: [conversations, messages, Member].map(({ collection }) => collection.collectionName),
    async send(changes: LastChanges) {
      const idsOf = (some: readonly StoredChange[]) => some.map(({ id }) => id);
      for (const some of chunksOf(changes.of(Member).filter(isTold), READ_MAX)) await sendOwn(some);
      // Each participant of a new conversation has a new member.
      const shared = changes.of(conversations).filter((one) => !one.isNew && isTold(one));
      for (const some of chunksOf(shared, READ_MAX)) await sendShared(some);
      for (const some of chunksOf(changes.insertedIn(messages), READ_MAX)) await sendMessages(idsOf(some));
    },
  };
}

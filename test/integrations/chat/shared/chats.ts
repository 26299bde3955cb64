import { Types } from 'mongoose';
import type { TestClient } from '../../../support/client.js';
import { dataOf, type TestEnvironment } from '../../../support/environment.js';
import { addChat, call, members, open } from '../community/community.js';
import { addConversation, openChat } from '../support/chat.js';

/** A participant, in either chat. */
export interface Person {
  readonly id: string;
  readonly name: string;
  readonly accountId: string;
}

/** A message as a client knows it, by whichever chat. */
export interface Known {
  readonly id: string;
  readonly content: string;
  readonly sender: string;
  readonly at: string;
}

/** One of the chats, in the words of a test for both. */
export interface ChatKind {
  readonly name: string;
  people(environment: TestEnvironment, count: number): Promise<Person[]>;
  make(environment: TestEnvironment, people: readonly Person[]): Promise<string>;
  open(environment: TestEnvironment, person: Person, node: number): Promise<TestClient>;
  /** @returns the answer */
  // biome-ignore lint/suspicious/noExplicitAny: a test looks into an answer without declaring its form again
  say(client: TestClient, id: string, data: { content: string; clientMessageId?: string }): Promise<any>;
  /** Stores a message of a person now, as another service does. */
  storeElsewhere(environment: TestEnvironment, person: Person, id: string): Promise<unknown>;
  readonly event: string;
  toKnown(payload: unknown): Known;
  /** The messages after one, as many as a page holds. @param after `undefined`: from the first on */
  catchUp(
    environment: TestEnvironment,
    reader: { person: Person; client: TestClient; node: number },
    query: { id: string; after: string | undefined; limit: number },
  ): Promise<Known[]>;
  markRead(client: TestClient, id: string, messageId: string): Promise<unknown>;
  /** A participant's number of unread messages. */
  unread(environment: TestEnvironment, person: Person, id: string): Promise<number>;
  /** Where that number ends. */
  readonly unreadMax: number;
  /** The id of the newest message of a list of conversations. */
  lastMessage(environment: TestEnvironment, person: Person, id: string): Promise<string>;
}

const BEGINNING = '2000-01-01T00:00:00Z';

// biome-ignore lint/suspicious/noExplicitAny: as above
type Payload = any;

const toSupportKnown = ({ _id, content, senderId, timestamp }: Payload): Known => ({
  id: _id,
  content,
  sender: senderId,
  at: timestamp,
});
const toCommunityKnown = ({ _id, content, sender, createdAt }: Payload): Known => ({
  id: _id,
  content,
  sender,
  at: createdAt,
});

const supportChat: ChatKind = {
  name: 'support',
  people: (environment, count) => environment.people(...Array.from({ length: count }, (_, index) => `P${index}`)),
  make: (environment, people) => addConversation(environment, people),
  open: (environment, person, node) => openChat(environment, person, { node }),
  say: (client, conversationId, data) => client.ask('send_message', { conversationId, ...data }),
  storeElsewhere: ({ models }, { id: senderId }, conversationId) =>
    models.SupportMessage.collection.insertOne({
      _id: new Types.ObjectId(),
      conversationId: new Types.ObjectId(conversationId),
      senderId,
      senderType: 'user',
      content: 'elsewhere',
      timestamp: new Date(),
    } as never),
  event: 'new_message',
  toKnown: toSupportKnown,
  async catchUp(_stage, { client }, { id: conversationId, after = BEGINNING, limit }) {
    return dataOf(await client.ask('get_messages', { conversationId, after, limit })).messages.map(toSupportKnown);
  },
  markRead: (client, conversationId, messageId) => client.ask('mark_as_read', { conversationId, messageId }),
  async unread(environment, person, id) {
    const read = await environment.models.SupportRead.findOne({ conversationId: id, readerId: person.id }).lean();
    const all = (await environment.models.SupportMessage.find({ conversationId: id }).lean()).sort(
      (one, other) => (one.position ?? 0) - (other.position ?? 0),
    );
    const index = all.findIndex(({ _id }) => read?.messageId.equals(_id) === true);
    return all.slice(index + 1).filter(({ senderId }) => senderId !== person.id).length;
  },
  unreadMax: Number.POSITIVE_INFINITY,
  async lastMessage(environment, person, id) {
    const client = await openChat(environment, person);
    const { conversations } = dataOf(await client.ask('get_conversations', {}));
    client.close();
    return conversations.find(({ _id }: Payload) => _id === id).lastMessage._id;
  },
};

const communityChat: ChatKind = {
  name: 'community',
  async people(environment, count) {
    const names = Array.from({ length: count }, (_, index) => `P${index}`);
    return (await members(environment, names)).map(({ id, name }) => ({ id, name, accountId: '' }));
  },
  make: (environment, people) => addChat(environment, people, { type: 'group' }),
  open: (environment, person, node) => open(environment, person, { node }),
  say: (client, chatId, data) => client.ask('chat:send_message', { chatId, ...data }),
  storeElsewhere: ({ models }, { id: sender }, chat) =>
    models.ChatMessage.collection.insertOne({
      _id: new Types.ObjectId(),
      chat: new Types.ObjectId(chat),
      sender: new Types.ObjectId(sender),
      content: 'elsewhere',
      createdAt: new Date(),
    } as never),
  event: 'chat:new_message',
  toKnown: ({ message }: Payload) => toCommunityKnown(message),
  async catchUp(environment, { person, node }, { id, after = BEGINNING, limit }) {
    const query = `?limit=${limit}&after=${encodeURIComponent(after)}`;
    const { json } = await call(environment, person, ['GET', `/api/chats/${id}/messages${query}`], node);
    return dataOf(json).map(toCommunityKnown);
  },
  markRead: (client, chatId, messageId) => client.ask('chat:mark_read', { chatId, messageId }),
  async unread(environment, person, id) {
    const { json } = await call(environment, person, ['GET', '/api/chats?limit=100']);
    return dataOf(json).find(({ _id }: Payload) => _id === id).unreadCount;
  },
  unreadMax: 100,
  async lastMessage(environment, person, id) {
    const { json } = await call(environment, person, ['GET', '/api/chats?limit=100']);
    return dataOf(json).find(({ _id }: Payload) => _id === id).lastMessage._id;
  },
};

/** Both. */
export const chatKinds = [supportChat, communityChat] as const;

import { createConnection, mongo, type Types } from 'mongoose';
import { defineModels, type Models } from '#shared/models/index.js';
import type { groupTypes } from '#shared/models/user.js';
import { createRandom } from '../../support/random.js';

/** The users of one account with their conversations. Ids are hexadecimal. */
export interface Circle {
  /** Last name of its users. */
  readonly name: string;
  readonly groups: readonly (typeof groupTypes)[number][];
  readonly account: string;
  readonly users: readonly string[];
  readonly department: string;
  readonly team: readonly string[];
  readonly prospects: readonly string[];
  readonly contact: string;
  readonly messages: readonly string[];
  readonly communications: readonly string[];
  readonly support: readonly string[];
  /** A conversation of the support chat with a visitor. */
  readonly visited: string;
  readonly visitor: string;
  readonly supportMessages: readonly string[];
  readonly chats: readonly string[];
  readonly chatMessages: readonly string[];
  readonly notifications: readonly string[];
  readonly session: string;
  /** Participant states in the team's and the contacts' conversations. */
  readonly memberships: readonly string[];
}

/** Creates deterministic ids from a seed. */
export function createIds(seed: number): () => string {
  const random = createRandom(seed);
  return () => Array.from({ length: 24 }, () => random.integer(16).toString(16)).join('');
}

/** Generates a circle of four users, without storing it. @param groups community groups of its users */
export function inventCircle(nextId: () => string, name: string, groups: Circle['groups']): Circle {
  const several = (count: number): string[] => Array.from({ length: count }, nextId);
  return {
    name,
    groups,
    account: nextId(),
    users: several(4),
    department: nextId(),
    team: several(3),
    prospects: several(2),
    contact: nextId(),
    messages: several(6),
    communications: several(4),
    support: several(2),
    visited: nextId(),
    visitor: `visitor-of-${name}`,
    supportMessages: several(6),
    chats: several(2),
    chatMessages: several(6),
    notifications: several(3),
    session: nextId(),
    memberships: several(20),
  };
}

const toId = (hex: string): Types.ObjectId => new mongo.ObjectId(hex);

/** Stores a circle, as the platform's other services do. @param token access token of its API session */
export async function storeCircle(url: string, circle: Circle, token: string): Promise<void> {
  const connection = await createConnection(url, { autoIndex: false }).asPromise();
  try {
    const models = defineModels(connection);
    await storePeople(models, circle, token);
    await storeConversations(models, circle);
    await storeSupport(models, circle);
    await storeChats(models, circle);
  } finally {
    await connection.close();
  }
}

const at = (index: number): Date => new Date(1_700_000_000_000 + index * 1000);
const turn = <T>(items: readonly T[], index: number): T => {
  const item = items[index % items.length];
  if (item === undefined) throw new Error('nothing to choose from');
  return item;
};

async function storePeople(models: Models, circle: Circle, token: string): Promise<void> {
  const { users, account, department, contact, session } = circle;
  await models.User.insertMany(
    users.map((id, index) => ({
      _id: toId(id),
      account: toId(account),
      name: `Person ${circle.name}`,
      firstName: 'Person',
      lastName: circle.name,
      role: turn(['admin', 'agent', 'user'] as const, index),
      departments: [toId(department)],
      joinedGroups: circle.groups.map((groupType) => ({ groupType, joinedAt: at(0) })),
    })),
  );
  await models.Department.create({ _id: toId(department), name: 'Sales', members: users.slice(0, 2).map(toId) });
  await models.Contact.create({
    _id: toId(contact),
    account: toId(account),
    name: 'Carla',
    email: 'carla@example.com',
  });
  await models.ApiSession.create({ _id: session, access_token: token });
}

async function storeConversations(models: Models, circle: Circle): Promise<void> {
  const { users, account, team, prospects, contact, messages, communications } = circle;
  const shared = (index: number) => ({
    account: toId(account),
    users: users.map(toId),
    title: `Talk ${index}`,
    channel_id: turn(['general', 'sales'], index),
    created_by: toId(turn(users, index)),
    last_activity_at: at(index),
  });
  await models.Conversation.insertMany(team.map((id, index) => ({ _id: toId(id), ...shared(index) })));
  await models.ConversationProspect.insertMany(
    prospects.map((id, index) => ({ _id: toId(id), ...shared(index), contact_id: toId(contact) })),
  );
  const members = [...team, ...prospects].flatMap((conversation, index) =>
    users.map((user, place) => ({
      _id: toId(turn(circle.memberships, index * users.length + place)),
      conversation: toId(conversation),
      kind: index < team.length ? ('team' as const) : ('prospect' as const),
      user: toId(user),
      account: toId(account),
      channel_id: shared(index).channel_id,
      last_activity_at: at(index),
    })),
  );
  await models.Member.insertMany(members);
  await models.Message.insertMany(
    messages.map((id, index) => ({
      _id: toId(id),
      conversation_id: toId(turn(team, index)),
      data: `line ${index}`,
      type: 'text',
      sent_by: toId(turn(users, index)),
      createdAt: at(index),
    })),
  );
  await models.Communication.insertMany(
    communications.map((id, index) => ({
      _id: toId(id),
      account: toId(account),
      conversation_id: [toId(turn(prospects, index))],
      type: 'INCOMING' as const,
      data: `line ${index}`,
      sent_by: toId(contact),
      createdAt: at(index),
    })),
  );
}

async function storeSupport(models: Models, circle: Circle): Promise<void> {
  const { users, department, support, visited, visitor, supportMessages } = circle;
  await models.SupportConversation.insertMany([
    ...support.map((id, index) => ({
      _id: toId(id),
      participants: users.map(toId),
      subject: `Question ${index}`,
      createdBy: toId(turn(users, index)),
      departmentId: index === 0 ? toId(department) : null,
    })),
    {
      _id: toId(visited),
      participants: users.slice(0, 1).map(toId),
      visitorId: visitor,
      departmentId: toId(department),
    },
  ]);
  await models.SupportMessage.insertMany(
    supportMessages.map((id, index) => ({
      _id: toId(id),
      conversationId: toId(turn([...support, visited], index)),
      content: `line ${index}`,
      senderId: turn(users, index),
      senderName: 'Person',
      timestamp: at(index),
    })),
  );
}

async function storeChats(models: Models, circle: Circle): Promise<void> {
  const { users, chats, chatMessages, notifications } = circle;
  await models.Chat.insertMany(
    chats.map((id, index) => ({
      _id: toId(id),
      participants: users.slice(0, index === 0 ? 2 : 4).map(toId),
      type: index === 0 ? ('direct' as const) : ('group' as const),
    })),
  );
  await models.ChatMessage.insertMany(
    chatMessages.map((id, index) => ({
      _id: toId(id),
      chat: toId(turn(chats, index)),
      sender: toId(turn(users, index)),
      content: `line ${index}`,
      createdAt: at(index),
    })),
  );
  await models.Notification.insertMany(
    notifications.map((id, index) => ({
      _id: toId(id),
      recipient: toId(turn(users, index)),
      title: 'News',
      message: 'text',
      createdAt: at(index),
      relatedChat: toId(turn(chats, index)),
    })),
  );
}

import { Types } from 'mongoose';
import { chats } from '#shared/contracts/chats.js';
import { department, support } from '#shared/contracts/support.js';
import type { ClientOptions, TestClient } from '../../../support/client.js';
import { holdToContracts } from '../../../support/contract.js';
import { dataOf, type TestEnvironment, type TestUser } from '../../../support/environment.js';

/** A client of the support chat on `/`. */
export const openChat = async (
  environment: TestEnvironment,
  user: TestUser,
  options: ClientOptions & { node?: number } = {},
) => holdToContracts(await environment.open(user, { namespace: '/', ...options }), [chats, support]);

/** A client of a department. */
export const openDepartment = async (
  environment: TestEnvironment,
  user: TestUser,
  { departmentId, ...options }: ClientOptions & { node?: number; departmentId: string },
) => {
  const client = await environment.open(user, { namespace: '/department', query: { departmentId }, ...options });
  return holdToContracts(client, [department]);
};

/** A conversation as another service would have stored it. */
export async function addConversation(
  { models }: TestEnvironment,
  users: readonly TestUser[],
  fields: Record<string, unknown> = {},
): Promise<string> {
  const participants = users.map(({ id }) => id);
  const conversation = new models.SupportConversation({ participants, createdBy: participants[0], ...fields });
  await conversation.save();
  return String(conversation._id);
}

/** A department of these agents. */
export async function addDepartment({ models }: TestEnvironment, ...members: TestUser[]): Promise<string> {
  const { _id } = await models.Department.create({ name: 'Sales', members: members.map(({ id }) => id) });
  return String(_id);
}

/** Claims of a visitor's token. */
export const visitorClaims = (visitorId: string, ...conversationIds: string[]) => ({
  uid: undefined,
  scope: undefined,
  type: 'visitor',
  visitor_id: visitorId,
  account_id: 'account-1',
  conversation_ids: conversationIds,
});

/** Two people in a conversation, each with a client; the second on the other node when there is one. */
export async function talk(environment: TestEnvironment) {
  const [ann, bob, eve] = await environment.people('Ann', 'Bob', 'Eve');
  const conversationId = await addConversation(environment, [ann, bob]);
  const a = await openChat(environment, ann);
  const b = await openChat(environment, bob, { node: environment.nodes.length - 1 });
  return { ann, bob, eve, a, b, conversationId };
}

/** Every event about a conversation that would succeed for a user who is in it. */
export const eventsOf = (conversationId: string, messageId: string): [string, unknown][] => [
  ['join_conversation', { conversationId }],
  ['join_conversation', conversationId],
  ['leave_conversation', { conversationId }],
  ['send_message', { conversationId, content: 'hi' }],
  ['typing_start', { conversationId }],
  ['mark_as_read', { conversationId, messageId }],
  ['edit_message', { conversationId, messageId, content: 'x' }],
  ['delete_message', { conversationId, messageId }],
  ['get_messages', { conversationId }],
  ['get_messages', { conversationId, before: messageId }],
  ['get_conversations', { before: conversationId }],
  ['assign_conversation', { conversationId, agentId: messageId }],
  ['claim_conversation', { conversationId }],
  ['close_conversation', { conversationId }],
];

/** Begins what is said only to know that everything before has come. */
const BARRIER = 'barrier ';

/**
 * Holds when nothing of these events has come to a client: something sent after it, to the same client by the same way, has.
 * @param speaker a user who may talk to the listener, through a conversation that is made for this
 */
export async function expectNothing(
  environment: TestEnvironment,
  { speaker, listener, users }: { speaker: TestClient; listener: TestClient; users: readonly TestUser[] },
  ...events: string[]
): Promise<string[]> {
  // A department lets users of any accounts talk. It has no members, so no presence changes.
  const barrier = await addConversation(environment, users, { departmentId: await addDepartment(environment) });
  const content = `${BARRIER}${new Types.ObjectId()}`;
  dataOf(await speaker.ask('send_message', { conversationId: barrier, content }));
  for (;;) {
    const [message] = await listener.next('new_message');
    if (message.content === content) break;
    if (events.includes('new_message') && !message.content.startsWith(BARRIER)) return ['new_message'];
  }
  return events.filter((event) => listener.received(event).length > 0);
}

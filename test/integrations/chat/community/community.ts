import { Types } from 'mongoose';
import { chats } from '#shared/contracts/chats.js';
import { community } from '#shared/contracts/community.js';
import { communityNotifications, communityPeople } from '#shared/contracts/community-people.js';
import type { ClientOptions, TestClient } from '../../../support/client.js';
import { holdToContracts } from '../../../support/contract.js';
import { dataOf, type TestEnvironment } from '../../../support/environment.js';
import { signToken, type TestResponse } from '../../../support/gateway.js';

/** A user of the community, in the database. */
export interface Member {
  readonly id: string;
  readonly name: string;
}

/** Makes users. @param fields of all of them */
export async function members<const Names extends readonly string[]>(
  { models }: TestEnvironment,
  names: Names,
  fields: object = {},
): Promise<{ [Index in keyof Names]: Member }> {
  const users = names.map((firstName) => ({ _id: new Types.ObjectId(), firstName, lastName: 'Doe', ...fields }));
  await models.User.insertMany(users);
  return users.map(({ _id, firstName }) => ({ id: String(_id), name: `${firstName} Doe` })) as never;
}

/** A client on `/`. */
export async function open(
  { open: connect }: TestEnvironment,
  { id, name }: Member,
  options: ClientOptions & { node?: number } = {},
): Promise<TestClient> {
  const client = await connect({ id, name, accountId: '' }, { namespace: '/', ...options });
  return holdToContracts(client, [chats, community, communityNotifications, communityPeople]);
}

/** A chat as another service would have stored it. */
export async function addChat(
  { models }: TestEnvironment,
  people: readonly Member[],
  fields: Record<string, unknown> = {},
): Promise<string> {
  const type = people.length === 2 ? 'direct' : 'group';
  const { _id } = await models.Chat.create({ participants: people.map(({ id }) => id), type, ...fields });
  return String(_id);
}

/** Two people in a direct chat, each with a client, the second on the last node; and a third who is not in it. */
export async function talk(environment: TestEnvironment) {
  const [ann, bob, eve] = await members(environment, ['Ann', 'Bob', 'Eve']);
  const chatId = await addChat(environment, [ann, bob]);
  const a = await open(environment, ann);
  const b = await open(environment, bob, { node: environment.nodes.length - 1 });
  return { ann, bob, eve, a, b, chatId };
}

/** A REST call of a user. */
export function call(
  { nodes }: TestEnvironment,
  { id }: Pick<Member, 'id'>,
  [method, path, body]: readonly [string, string, unknown?],
  node = 0,
): Promise<TestResponse> {
  const gateway = nodes[node];
  if (gateway === undefined) throw new Error(`there is no node ${node}`);
  const headers = { 'x-api-key': '', authorization: `Bearer ${signToken({ uid: undefined, userId: id })}` };
  return gateway.call(method, path, body, headers);
}

/** Says something. @returns the message */
export const say = async (client: TestClient, chatId: string, content: string) =>
  dataOf(await client.ask('chat:send_message', { chatId, content }));

/**
 * Of these events those that have come to a client, once something has come that was sent after them by the same way.
 * @param speaker another user with a client
 */
export async function cameTo(
  environment: TestEnvironment,
  { speaker, listener }: { speaker: readonly [Member, TestClient]; listener: readonly [Member, TestClient] },
  ...events: string[]
): Promise<string[]> {
  const [[speaking, from], [listening, to]] = [speaker, listener];
  const barrier = await addChat(environment, [speaking, listening], { type: 'group' });
  dataOf(await from.ask('chat:join', { chatId: barrier }));
  for (;;) {
    const [joined] = await to.next('chat:user_joined');
    if (joined.chatId === barrier) break;
    if (events.includes('chat:user_joined')) return ['chat:user_joined'];
  }
  return events.filter((event) => to.received(event).length > 0);
}

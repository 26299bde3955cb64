import { chats } from '#shared/contracts/chats.js';
import { community } from '#shared/contracts/community.js';
import { communityNotifications, communityPeople } from '#shared/contracts/community-people.js';
import type { Contract, Route } from '#shared/contracts/contract.js';
import { conversation } from '#shared/contracts/conversation.js';
import { prospect } from '#shared/contracts/prospect.js';
import { session } from '#shared/contracts/session.js';
import { support } from '#shared/contracts/support.js';
import type { EventRow, Ids } from '../../matrix/kinds.js';
import { rowsByContract } from '../../matrix/rows/index.js';
import type { TestClient } from '../../support/client.js';
import { checkWire, holdToContracts } from '../../support/contract.js';
import type { TestEnvironment, TestUser } from '../../support/environment.js';
import { signToken } from '../../support/gateway.js';
import type { World } from './worlds.js';

/** Contracts whose documents are read together. */
export interface Domain {
  readonly namespace: string;
  readonly contracts: readonly Contract[];
  /** What is asked besides one call of each event and route. */
  readonly more: (ids: Ids) => readonly (readonly [event: string, data: object])[];
}

const statuses = ['open', 'closed', 'unread', 'priority', 'snoozed', 'archived'];

export const domains = {
  conversation: {
    namespace: '/v1/conversation',
    contracts: [conversation, prospect],
    more: ({ team, prospect: contact, owner }: Ids) => [
      ...statuses.map((status) => ['conversation_filter', { status }] as const),
      ['conversation_filter', { users: [owner], from: '2000-01-01T00:00:00Z', to: '2999-01-01T00:00:00Z' }],
      ['list_conversation', { search: 'talk', message_limit: 3 }],
      ['list_conversation', { limit: 1, page: 2 }],
      ['channel', {}],
      ['list_message', { conversation_id: team.id, before: team.ownMessageId }],
      ['list_message', { conversation_id: team.id, limit: 1, page: 3 }],
      ['list_message_by_id', { conversation_id: team.id, message_id: team.ownMessageId, limit: 9 }],
      ['read', { conversation_id: team.id, message_id: team.ownMessageId }],
      ['read', { conversation_id: team.id }],
      ['archive', { conversation_id: team.id, archive: false }],
      ['message', { conversation_id: team.id, data: 'again', UUID: team.ownMessageId }],
      ['prospect_list_conversation', { search: 'carla', message_limit: 3 }],
      ['prospect_list_message', { conversation_id: contact.id, before: contact.ownMessageId }],
      ['prospect_list_message', { conversation_id: contact.id, limit: 1, page: 3 }],
      ['prospect_read', { conversation_id: contact.id }],
      ['prospect_add_note', { conversation_id: contact.id, data: 'again', UUID: contact.ownMessageId }],
    ],
  },
  support: {
    namespace: '/',
    contracts: [support],
    more: ({ support: talk, departmentId }: Ids) => [
      ['get_conversations', { departmentId }],
      ['get_conversations', { status: 'open', limit: 1 }],
      ['get_conversations', { before: talk.id }],
      ['get_messages', { conversationId: talk.id, before: talk.ownMessageId }],
      ['get_messages', { conversationId: talk.id, after: talk.messageId }],
      ['mark_as_read', { conversationId: talk.id, messageId: talk.ownMessageId }],
      ['send_message', { conversationId: talk.id, content: 'again', clientMessageId: talk.ownMessageId }],
    ],
  },
  community: {
    namespace: '/',
    contracts: [community, communityNotifications, communityPeople],
    more: ({ chat, notificationId }: Ids) => [
      ['chat:mark_read', { chatId: chat.id }],
      ['chat:pin_message', { chatId: chat.id, messageId: chat.ownMessageId }],
      ['chat:unpin_message', { chatId: chat.id, messageId: chat.messageId }],
      ['chat:add_reaction', { chatId: chat.id, messageId: chat.ownMessageId, emoji: '👍' }],
      ['chat:send_message', { chatId: chat.id, content: 'reply', replyToId: chat.ownMessageId }],
      ['chat:send_message', { chatId: chat.id, content: 'again', clientMessageId: chat.ownMessageId }],
      ['presence:get_online', { chatId: chat.id }],
      ['notification:list', { before: notificationId }],
      ['notification:list', { unreadOnly: true, limit: 1 }],
    ],
  },
} as const satisfies Record<string, Domain>;

/** A call, and how it ended. */
export interface Step {
  readonly about: string;
  /** `SUCCESS`, or the code of the failure. */
  readonly code: string;
  readonly answer: string;
}

/** Events that end what others are asked about come last. */
const isLast = (event: string): boolean => /delete|close|leave|^open$|_open$/.test(event);

const isSend = (event: string): boolean => /^(chat:send_message|send_message|message|prospect_add_note)$/.test(event);

const eventRowsOf = ({ name }: Contract): Readonly<Record<string, EventRow>> => rowsByContract[name]?.rows.events ?? {};

/** Of a good conversation the caller does this beside an odd one. */
const isAboutOne = (event: string): boolean =>
  isSend(event) ||
  /^(get_messages|mark_as_read|edit_message|chat:edit_message|chat:mark_read|read|prospect_read|list_message|prospect_list_message|prospect_get_conversation_by_id|get_conversation_by_id)$/.test(
    event,
  );

/** All that the people of a world do in a domain: Ann everything, first where documents are odd, and Bob what others do. */
export async function play(
  environment: TestEnvironment,
  world: World,
  { namespace, contracts, more }: Domain,
  about: string,
): Promise<Step[]> {
  const steps: Step[] = [];
  const [ann, bob] = world.people;
  const note = (what: string, found: unknown): void => {
    const { success, code, message } = (found ?? {}) as { success?: boolean; code?: string; message?: string };
    steps.push({
      about: what,
      code: success === true ? 'SUCCESS' : (code ?? message ?? String(found)),
      answer: JSON.stringify(found),
    });
  };
  const connect = async (user: TestUser): Promise<TestClient | undefined> => {
    try {
      const client = await environment.open(user, { namespace });
      note(`${user.name} connects`, { success: true });
      return holdToContracts(client, [...contracts, chats, session], `${about}: `);
    } catch (error) {
      note(`${user.name} connects`, {
        code: (error as { data?: { message?: string } }).data?.message ?? String(error),
      });
      return undefined;
    }
  };
  const clients = new Map<string, TestClient | undefined>();
  for (const user of [bob, ann]) clients.set(user.id, await connect(user));
  const ask = async (user: TestUser, kind: string, event: string, args: readonly unknown[]): Promise<void> => {
    const client = clients.get(user.id);
    if (client === undefined) return;
    const answer = await Promise.race([client.ask(event, ...args), client.closed]);
    note(`${user.name}, ${kind}: ${event} ${JSON.stringify(args)}`, answer);
  };
  const call = async (user: TestUser, kind: string, contract: Contract, name: string, ids: Ids): Promise<void> => {
    const { method, path, caller, answer, sendsFile } = contract.routes[name] as Route;
    const row = rowsByContract[contract.name]?.rows.routes[name];
    const { params = {}, query = {}, body } = row?.request?.(ids) ?? {};
    const filled = path.replaceAll(/:(\w+)/g, (_, key: string) => encodeURIComponent(params[key] ?? ''));
    const search = Object.keys(query).length === 0 ? '' : `?${new URLSearchParams(query)}`;
    const own = { 'x-api-key': '', authorization: `Bearer ${signToken({ uid: user.id, account_id: user.accountId })}` };
    const headers = caller === 'user' ? own : {};
    const { json, status } = await environment.node(0).call(method.toUpperCase(), filled + search, body, headers);
    if (json?.success === true && answer !== undefined && sendsFile !== true)
      checkWire(`${about}: the answer to ${name}`, answer, json.data);
    note(`${user.name}, ${kind}: ${method} ${filled}`, json ?? { code: String(status) });
  };
  const lists = async (user: TestUser, kind: string, ids: Ids): Promise<void> => {
    for (const contract of contracts) {
      const events = eventRowsOf(contract);
      const read = Object.keys(contract.clientEvents).filter((event) => /list|get_|filter|^channel$/.test(event));
      for (const event of read) await ask(user, kind, event, events[event]?.args(ids) ?? []);
      for (const [name, { method, caller }] of Object.entries<Route>(contract.routes))
        if (method === 'get' && caller === 'user') await call(user, kind, contract, name, ids);
    }
  };
  const eventsOf = (ids: Ids) =>
    contracts.flatMap((contract) => {
      const events = eventRowsOf(contract);
      return Object.keys(contract.clientEvents).map((event) => [event, events[event]?.args(ids) ?? []] as const);
    });
  const all = eventsOf(world.odd);
  for (const [event, args] of all) if (!isLast(event)) await ask(ann, 'odd', event, args);
  for (const [event, data] of more(world.odd)) await ask(ann, 'odd', event, [data]);
  for (const contract of contracts)
    for (const name of Object.keys(contract.routes))
      if (!isLast(name)) await call(ann, 'odd', contract, name, world.odd);
  for (const kind of ['odd', 'good'] as const)
    for (const [event, args] of eventsOf(world[kind])) if (isSend(event)) await ask(bob, kind, event, args);
  for (const [event, args] of eventsOf(world.good)) if (isAboutOne(event)) await ask(ann, 'good', event, args);
  await lists(bob, 'good', world.good);
  for (const [event, args] of all) if (isLast(event)) await ask(ann, 'odd', event, args);
  await lists(ann, 'odd, in the end', world.odd);
  for (const client of clients.values()) client?.close();
  return steps;
}

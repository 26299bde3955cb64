import { expect } from 'vitest';
import { dataOf, type TestEnvironment, type TestUser } from '../../support/environment.js';
import { addChat } from '../chat/community/community.js';
import { addConversation } from '../chat/support/chat.js';
import { forget } from './acts.js';
import type { Connection } from './device.js';
import { hear, take } from './team.js';

/** Where two operations meet: a conversation of four people, with a message of the first one who acts in it. */
export interface Place extends Scene {
  readonly id: string;
  readonly messageId: string;
  /** Differs in each call. */
  readonly text: string;
}

/** Who is there before places are made. */
export interface Scene {
  readonly environment: TestEnvironment;
  /** The four. All but the last one are agents. */
  readonly people: readonly [ann: TestUser, bob: TestUser, cid: TestUser, dan: TestUser];
  readonly outsider: TestUser;
  /** A chat of everyone. */
  readonly hall: string;
  /** That of the agents, and another one. */
  readonly departments: readonly [string, string];
}

/** Something that one client does, or that another service stores. @returns the data of an answer; `undefined` for a refusal */
// biome-ignore lint/suspicious/noExplicitAny: a test looks into an answer without declaring its form again
export type Operation = (by: Connection, place: Place) => Promise<any>;

type Operations = Readonly<Record<string, Operation>>;

/** A chat whose operations meet each other. */
export interface Chat {
  readonly operations: Operations;
  /** Those of other services, after which every client loads again. */
  readonly elsewhere: Operations;
  /** Makes a place. @returns its id, and that of the message in it */
  make(scene: Scene, by: Clients): Promise<readonly [string, string]>;
  /** Is done by Bob in each place before. */
  readonly before?: Operation;
}

type Clients = Pick<Connection, 'chat' | 'team'>;

/** What others do meanwhile can refuse an operation. A limit may not: then operations would not meet. */
const REFUSALS: readonly string[] = ['NOT_FOUND', 'FORBIDDEN', 'CONFLICT', 'ALREADY_ASSIGNED'];

/** @returns the data of an answer; `undefined` for a refusal */
// biome-ignore lint/suspicious/noExplicitAny: a test looks into an answer without declaring its form again
function dataIfDone(event: string, answer: any): any {
  if (answer.success === true) return answer.data ?? {};
  expect(REFUSALS, `${event}: ${JSON.stringify(answer)}`).toContain(answer.code ?? answer.message);
  return undefined;
}

type ToData = (place: Place) => object;

const nothing: ToData = () => ({});
const ofMessage: ToData = ({ messageId }) => ({ messageId });

const inSupport =
  (event: string, toData = nothing): Operation =>
  async ({ chat }, place) =>
    dataIfDone(event, await chat.ask(event, { conversationId: place.id, ...toData(place) }));

const upload =
  (toData: ToData): Operation =>
  async ({ chat }, place) => {
    const meta = { conversationId: place.id, fileName: 'a.txt', ...toData(place) };
    return dataIfDone('file_upload', await chat.ask('file_upload', Buffer.from(place.text), meta));
  };

const idsOf = (people: readonly TestUser[]): string[] => people.map(({ id }) => id);

export const support: Chat = {
  operations: {
    send: inSupport('send_message', ({ text }) => ({ content: text })),
    'send the same': inSupport('send_message', ({ id }) => ({ content: 'the same', clientMessageId: id })),
    upload: upload(nothing),
    'upload the same': upload(({ id }) => ({ clientMessageId: id })),
    edit: inSupport('edit_message', ({ messageId, text }) => ({ messageId, content: text })),
    delete: inSupport('delete_message', ofMessage),
    read: inSupport('mark_as_read', ofMessage),
    claim: inSupport('claim_conversation'),
    assign: inSupport('assign_conversation', ({ people }) => ({ agentId: people[1].id })),
    close: inSupport('close_conversation'),
    type: inSupport('typing_start'),
    leave: inSupport('leave_conversation'),
    'create the same': async ({ chat }, { id, people }) => {
      const data = { participants: idsOf(people), clientConversationId: id };
      return dataIfDone('create_conversation', await chat.ask('create_conversation', data));
    },
  },
  elsewhere: {
    remove: (_by, { environment: { models }, id, people }) =>
      models.SupportConversation.updateOne({ _id: id }, { $pull: { participants: people[1].id } }),
    move: (_by, { environment: { models }, id, departments }) =>
      models.SupportConversation.updateOne({ _id: id }, { departmentId: departments[1] }),
    vanish: (_by, { environment: { models }, id }) => models.SupportConversation.deleteOne({ _id: id }),
  },
  async make({ environment, people, departments }, { chat }) {
    const conversationId = await addConversation(environment, people, { departmentId: departments[0] });
    const sent = dataOf(await chat.ask('send_message', { conversationId, content: 'first' }));
    return [conversationId, sent._id];
  },
};

const inCommunity =
  (event: string, toData = nothing): Operation =>
  async ({ chat }, place) =>
    dataIfDone(event, await chat.ask(event, { chatId: place.id, ...toData(place) }));

export const community: Chat = {
  operations: {
    send: inCommunity('chat:send_message', ({ text }) => ({ content: text })),
    'send the same': inCommunity('chat:send_message', ({ id }) => ({ content: 'the same', clientMessageId: id })),
    reply: inCommunity('chat:send_message', ({ text, messageId }) => ({ content: text, replyToId: messageId })),
    edit: inCommunity('chat:edit_message', ({ messageId, text }) => ({ messageId, content: text })),
    delete: inCommunity('chat:delete_message', ofMessage),
    react: inCommunity('chat:add_reaction', ({ messageId }) => ({ messageId, emoji: '👍' })),
    pin: inCommunity('chat:pin_message', ofMessage),
    unpin: inCommunity('chat:unpin_message', ofMessage),
    read: inCommunity('chat:mark_read'),
    type: inCommunity('chat:typing_start'),
    join: inCommunity('chat:join'),
    leave: async (by, place) => {
      const answer = await inCommunity('chat:leave')(by, place);
      by.shown.community.take(({ typing }) => forget(typing, place.id));
      return answer;
    },
    'read notifications': async ({ chat }) => dataIfDone('read', await chat.ask('notification:mark_all_read', {})),
  },
  elsewhere: {
    remove: (_by, { environment: { models }, id, people }) =>
      models.Chat.updateOne({ _id: id }, { $pull: { participants: people[1].id } }),
    mute: async (_by, { environment: { models }, id, people: [, { id: user }] }) => {
      const without = { _id: id, 'participantSettings.user': { $ne: user } };
      await models.Chat.updateOne(without, { $push: { participantSettings: { user } } });
      const own = { _id: id, 'participantSettings.user': user };
      await models.Chat.updateOne(own, { $set: { 'participantSettings.$.isMuted': true } });
    },
    vanish: (_by, { environment: { models }, id }) => models.Chat.deleteOne({ _id: id }),
  },
  async make({ environment, people }, { chat }) {
    const chatId = await addChat(environment, people, { type: 'group' });
    const sent = dataOf(await chat.ask('chat:send_message', { chatId, content: 'first' }));
    return [chatId, sent._id];
  },
  // From then on he has notifications.
  before: inCommunity('chat:leave'),
};

const inTeam =
  (event: string, toData = nothing): Operation =>
  async ({ team: client }, place) =>
    dataIfDone(event, await client.ask(event, { conversation_id: place.id, ...toData(place) }));

/** A message is not sent back to the socket that sent it. */
const message =
  (toData: ToData): Operation =>
  async (by, place) => {
    const answer = await inTeam('message', toData)(by, place);
    if (answer !== undefined) by.shown.team.take((state) => take(state, answer.message));
    return answer;
  };

/** Nor is a status. */
const status =
  (event: string, name: string): Operation =>
  async ({ user, team: client, shown }) => {
    const answer = dataIfDone(event, await client.ask(event, event === 'join' ? {} : { status: name }));
    if (answer !== undefined) shown.team.take((state) => hear(state, user.id, name));
    return answer;
  };

export const team: Chat = {
  operations: {
    send: message(({ text }) => ({ data: text })),
    'send the same': message(({ id }) => ({ data: 'the same', UUID: id })),
    mention: message(({ text, people }) => ({ data: text, mentions: idsOf(people) })),
    read: async (by, place) => {
      const answer = await inTeam('read', ({ messageId }) => ({ message_id: messageId }))(by, place);
      // Nor is a read position.
      await by.shown.team.load();
      return answer;
    },
    archive: inTeam('archive', () => ({ archive: true })),
    unarchive: inTeam('archive', () => ({ archive: false })),
    snooze: inTeam('snooze', () => ({ until: new Date(Date.now() + 3_600_000).toISOString() })),
    unsnooze: inTeam('snooze', () => ({ until: null })),
    top: inTeam('show_on_top', () => ({ show_on_top: true })),
    close: inTeam('open', () => ({ is_open: false })),
    rename: inTeam('edit_conversation', ({ text }) => ({ title: text })),
    add: inTeam('add_participant', ({ outsider }) => ({ users: [outsider.id] })),
    'create the same': async ({ team: client }, { id, people }) => {
      const data = { users: idsOf(people), channel_id: 'general', UUID: id };
      return dataIfDone('add_conversation', await client.ask('add_conversation', data));
    },
  },
  elsewhere: {
    remove: (_by, { environment: { models }, id, people }) =>
      models.Conversation.updateOne({ _id: id }, { $pull: { users: people[1].id } }),
    retitle: (_by, { environment: { models }, id, text }) =>
      models.Conversation.updateOne({ _id: id }, { title: text }),
    vanish: (_by, { environment: { models }, id }) => models.Conversation.deleteOne({ _id: id }),
  },
  async make({ people }, { team: client }) {
    const made = await client.ask('add_conversation', { users: idsOf(people), channel_id: 'general' });
    const { _id: conversation_id } = dataOf(made).conversation;
    const sent = dataOf(await client.ask('message', { conversation_id, data: 'first' }));
    return [conversation_id, sent.message._id];
  },
};

const presence =
  (name: string): Operation =>
  async ({ chat }) =>
    dataIfDone('presence:update_status', await chat.ask('presence:update_status', { status: name }));

/** What people show of themselves, to all whom they share a chat with. */
export const statuses: Chat = {
  operations: {
    active: status('active_status', 'active'),
    away: status('active_status', 'away'),
    join: status('join', 'active'),
    online: presence('online'),
    busy: presence('busy'),
  },
  elsewhere: {},
  make: team.make,
};

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  communityTimeline,
  type GatewayClientError,
  supportConversations,
  supportTimeline,
  type Timeline,
  teamConversations,
  teamTimeline,
} from '#shared/client/index.js';
import { addChat } from '../../integrations/chat/community/community.js';
import { addConversation } from '../../integrations/chat/support/chat.js';
import { createTestEnvironment, type TestEnvironment, type TestUser } from '../../support/environment.js';
import { createRandom } from '../../support/random.js';
import { until } from '../../support/until.js';
import { openChat, openRoad, openTeam, type Road, tokenOf } from './environment.js';

let environment: TestEnvironment;
beforeAll(async () => {
  environment = await createTestEnvironment({ nodes: 2 });
});
afterAll(() => environment.close());

interface Shown {
  readonly _id: string;
}

/** A conversation of some kind, with clients that write. */
interface Kind<M extends Shown> {
  /** A view of it. */
  readonly view: Timeline<M>;
  /** Writer `index` sends. @returns the id of the message */
  send(index: number, text: string): Promise<string>;
  edit?(index: number, messageId: string, text: string): Promise<unknown>;
  remove?(index: number, messageId: string): Promise<unknown>;
  read?(index: number, messageId: string): Promise<unknown>;
  react?(index: number, messageId: string): Promise<unknown>;
  /** Everything that the server has, oldest first. */
  readAll(): Promise<M[]>;
}

type People = readonly [TestUser, ...TestUser[]];

/** The first of the people looks, from the road; the others write, on both nodes in turn. */
const kinds = {
  async support(people: People, road: Road) {
    const conversationId = await addConversation(environment, people);
    const clients = people.slice(1).map((user, index) => openChat(user, environment.node(index % 2).url));
    const client = (index: number) => clients[index] as (typeof clients)[0];
    return {
      view: supportTimeline(openChat(people[0], road.url), conversationId),
      send: async (index, content) => (await client(index).emit('send_message', { conversationId, content }))._id,
      edit: (index, messageId, content) => client(index).emit('edit_message', { conversationId, messageId, content }),
      remove: (index, messageId) => client(index).emit('delete_message', { conversationId, messageId }),
      async readAll() {
        const first = await client(0).emit('get_messages', { conversationId, limit: 100 });
        const [oldest] = first.messages;
        if (!first.hasMore) return first.messages;
        const range = { limit: 100, before: oldest?._id ?? '' };
        const second = await client(0).emit('get_messages', { conversationId, ...range });
        expect(second.hasMore).toBe(false);
        return [...second.messages, ...first.messages];
      },
    } satisfies Kind<Shown>;
  },

  async community(people: People, road: Road) {
    const chatId = await addChat(environment, people);
    const clients = people.slice(1).map((user, index) => openChat(user, environment.node(index % 2).url));
    const client = (index: number) => clients[index] as (typeof clients)[0];
    const rest = { url: road.url, token: tokenOf(people[0]) };
    const read = async (query: string) => {
      const authorization = `Bearer ${await rest.token()}`;
      const path = `/api/chats/${chatId}/messages?limit=100${query}`;
      return (await environment.node(0).call('GET', path, undefined, { authorization })).json.data as Shown[];
    };
    return {
      view: communityTimeline(openChat(people[0], road.url), chatId, rest),
      send: async (index, content) => (await client(index).emit('chat:send_message', { chatId, content }))._id,
      edit: (index, messageId, content) => client(index).emit('chat:edit_message', { messageId, content }),
      remove: (index, messageId) => client(index).emit('chat:delete_message', { messageId }),
      read: (index, messageId) => client(index).emit('chat:mark_read', { chatId, messageId }),
      react: (index, messageId) => client(index).emit('chat:add_reaction', { messageId, emoji: '👍' }),
      async readAll() {
        const newest = await read('');
        const older = newest.length < 100 ? [] : await read(`&before=${newest[0]?._id}`);
        return [...older, ...newest];
      },
    } satisfies Kind<Shown>;
  },

  async team(people: People, road: Road) {
    const clients = people.slice(1).map((user, index) => openTeam(user, environment.node(index % 2).url));
    const client = (index: number) => clients[index] as (typeof clients)[0];
    const users = people.map(({ id }) => id);
    const { conversation } = await client(0).emit('add_conversation', { users, channel_id: 'c' });
    const conversation_id = conversation._id;
    // The same person without cuts: messages say whether the reader has sent them.
    const reader = openTeam(people[0], environment.node(0).url);
    return {
      view: teamTimeline(openTeam(people[0], road.url), conversation_id),
      send: async (index, data) => (await client(index).emit('message', { conversation_id, data })).message._id,
      async readAll() {
        const read = async (page: number) =>
          (await reader.emit('list_message', { conversation_id, limit: 100, page })).messageList;
        return [...(await read(1)), ...(await read(2))].reverse();
      },
    } satisfies Kind<Shown>;
  },
};

/** What one of several changes at once does to a message that another has deleted. */
const ignoreMissing = (error: GatewayClientError): void => {
  if (error.code !== 'NOT_FOUND') throw error;
};

/** Readers are in the order in which they were stored, which their events need not be. */
const toComparable = (message: Shown & { readBy?: readonly { user: string }[] }) => ({
  ...message,
  readBy: [...(message.readBy ?? [])].sort((one, other) => (one.user < other.user ? -1 : 1)),
});

const WRITERS = ['Ann', 'Bob', 'Cem', 'Dan', 'Eva'] as const;

describe.each(['support', 'community', 'team'] as const)('a view of a %s conversation', (name) => {
  test.each([1, 2])('equals the server after changes and cuts on two nodes (seed %i)', async (seed) => {
    const { next: random } = createRandom(seed);
    const draw = (count: number): number => Math.floor(random() * count);
    const road = await openRoad(environment.node(0));
    const kind: Kind<Shown> = await kinds[name](await environment.people('Vera', ...WRITERS), road);
    const { view } = kind;
    const sent: { index: number; id: string }[] = [];
    const reading: (Promise<unknown> | undefined)[] = [];
    const send = async (): Promise<void> => {
      const index = draw(WRITERS.length);
      sent.push({ index, id: await kind.send(index, `said ${sent.length}`) });
    };
    const act = async (): Promise<void> => {
      const dice = random();
      const target = sent[draw(sent.length)];
      if (target === undefined || dice < 0.5 || kind.edit === undefined) return send();
      if (dice < 0.7) await kind.edit(target.index, target.id, `edited ${dice}`).catch(ignoreMissing);
      else if (dice < 0.8) await kind.remove?.(target.index, target.id).catch(ignoreMissing);
      else if (dice < 0.88) await kind.react?.(draw(WRITERS.length), target.id).catch(ignoreMissing);
      // Of two reads of one user at once, either can be the one that is told.
      else if (kind.read !== undefined) {
        const reader = draw(WRITERS.length);
        const before = reading[reader];
        reading[reader] = before?.then(() => kind.read?.(reader, target.id)) ?? kind.read(reader, target.id);
        await reading[reader];
      }
    };

    // More than a page, so that the view begins in the middle.
    for (let n = 0; n < 60; n += 5) await Promise.all([send(), send(), send(), send(), send()]);
    await until(() => view.isCurrent);
    const changes: Promise<void>[] = [];
    const play = async (steps: number, disturb: () => Promise<void>): Promise<void> => {
      for (let step = 0; step < steps; step += 1) {
        await disturb();
        const change = act();
        changes.push(change);
        if (random() < 0.6) await change;
      }
      await Promise.all(changes);
    };
    /** Everything that was sent before has come. */
    const catchUp = async (text: string): Promise<void> => {
      const last = await kind.send(0, text);
      await until(() => view.isCurrent && view.messages.some(({ _id }) => _id === last));
    };
    await play(40, async () => {
      const dice = random();
      if (dice < 0.1) await road.cut();
      else if (dice < 0.3) await road.leadTo(environment.node(draw(2)));
    });
    await road.leadTo(environment.node(seed % 2));
    await catchUp('back');
    // Without a cut, what came live is not read again.
    await play(25, async () => undefined);
    await catchUp('last');

    const stored = await kind.readAll();
    expect(stored.length).toBeGreaterThan(80);
    const held = (messages: readonly Shown[]) => ({ count: messages.length, messages: messages.map(toComparable) });
    expect(held(view.messages)).toEqual(held(stored.slice(-view.messages.length)));
    while (view.hasOlder) await view.older();
    expect(held(view.messages)).toEqual(held(stored));
  });
});

test('lists of conversations are walked over all pages', async () => {
  const [vera, ann] = await environment.people('Vera', 'Ann');
  const ids: string[] = [];
  for (let n = 0; n < 103; n += 1) ids.push(await addConversation(environment, [vera, ann]));
  const walked: string[] = [];
  for await (const { _id } of supportConversations(openChat(vera, environment.node(1).url))) walked.push(_id);
  expect(walked.sort()).toEqual(ids.sort());

  const client = openTeam(vera, environment.node(0).url);
  const create = async () =>
    (await client.emit('add_conversation', { users: [ann.id], channel_id: 'c' })).conversation._id;
  const created = await Promise.all(Array.from({ length: 12 }, create));
  const found: string[] = [];
  for await (const { _id } of teamConversations(client, 'c')) found.push(_id);
  expect(found.sort()).toEqual(created.sort());
});

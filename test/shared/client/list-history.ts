import { expect } from 'vitest';
import {
  communityList,
  type GatewayClientError,
  type LiveList,
  supportConversations,
  supportList,
  teamConversations,
  teamList,
} from '#shared/client/index.js';
import { addChat } from '../../integrations/chat/community/community.js';
import { addConversation, addDepartment } from '../../integrations/chat/support/chat.js';
import type { TestEnvironment, TestUser } from '../../support/environment.js';
import { createRandom } from '../../support/random.js';
import { until } from '../../support/until.js';
import { openChat, openRoad, openTeam, type Road, tokenOf } from './environment.js';

interface Shown {
  readonly _id: string;
}

/** A list of the first of the people, and what the others do to it. */
interface Kind {
  readonly view: LiveList<Shown>;
  /** Changes that one of them may make, each drawn by itself. `draw` is a number below its argument. */
  readonly acts: readonly ((draw: (count: number) => number) => Promise<unknown>)[];
  /** Sends a message that comes first in the list. @returns its conversation */
  last(): Promise<string>;
  /** The whole list of the server. */
  readAll(): Promise<Shown[]>;
}

type People = readonly [TestUser, TestUser, TestUser];

/** More than a page. */
const CONVERSATIONS = 56;

const numbers = (count: number): number[] => Array.from({ length: count }, (_, index) => index);

async function toAll<T>(entries: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const entry of entries) all.push(entry);
  return all;
}

/** What of several changes at once is refused, because another came first, or many did. It changes nothing. */
const REFUSALS: readonly string[] = ['NOT_FOUND', 'CONFLICT', 'ALREADY_ASSIGNED', 'FORBIDDEN', 'RATE_LIMITED'];

const ignoreRefusal = (error: GatewayClientError): void => {
  if (!REFUSALS.includes(error.code)) throw error;
};

/** Repeats a call until the rate limit of its caller allows it. */
const allowed = (call: () => Promise<unknown>): Promise<void> =>
  until(() =>
    call().then(
      () => true,
      (error: GatewayClientError) => {
        if (error.code !== 'RATE_LIMITED') throw error;
        return false;
      },
    ),
  );

/** The first of the people looks, from the road; the others write, each on a node of its own. */
export const listKinds = {
  async support(environment: TestEnvironment, people: People, road: Road): Promise<Kind> {
    const [vera, ann, bob] = people;
    const departmentId = await addDepartment(environment, ann, bob);
    const ids = await Promise.all(
      numbers(CONVERSATIONS).map(() => addConversation(environment, people, { departmentId })),
    );
    const clients = [openChat(ann, environment.node(0).url), openChat(bob, environment.node(1).url)] as const;
    const anyone = (draw: (count: number) => number) => clients[draw(2)] as (typeof clients)[0];
    const any = (draw: (count: number) => number) => ids[draw(ids.length)] as string;
    const sent: { index: number; conversationId: string; messageId: string }[] = [];
    const say = async (draw: (count: number) => number) => {
      const [index, conversationId] = [draw(2), any(draw)];
      const message = await anyone(() => index).emit('send_message', { conversationId, content: 'hello' });
      sent.push({ index, conversationId, messageId: message._id });
    };
    const reader = openChat(vera, environment.node(1).url);
    return {
      view: supportList(openChat(vera, road.url)),
      acts: [
        say,
        say,
        say,
        async (draw) => {
          const { index, ...message } = sent[sent.length - 1 - draw(3)] ?? {};
          if (index !== undefined)
            await anyone(() => index).emit('edit_message', { ...message, content: 'edited' } as never);
        },
        async (draw) => {
          const { index, ...message } = sent[sent.length - 1 - draw(3)] ?? {};
          if (index !== undefined) await anyone(() => index).emit('delete_message', message as never);
        },
        (draw) => anyone(draw).emit('claim_conversation', { conversationId: any(draw) }),
        (draw) => anyone(draw).emit('close_conversation', { conversationId: any(draw) }),
        async (draw) => {
          ids.push((await anyone(draw).emit('create_conversation', { participants: [vera.id] }))._id);
        },
      ],
      async last() {
        const { _id } = await clients[0].emit('create_conversation', { participants: [vera.id, bob.id] });
        await clients[1].emit('send_message', { conversationId: _id, content: 'last' });
        return _id;
      },
      readAll: () => toAll(supportConversations(reader)),
    };
  },

  async community(environment: TestEnvironment, people: People, road: Road): Promise<Kind> {
    const [vera, ann, bob] = people;
    const ids = await Promise.all(numbers(CONVERSATIONS).map(() => addChat(environment, people)));
    const clients = [openChat(ann, environment.node(0).url), openChat(bob, environment.node(1).url)] as const;
    const anyone = (draw: (count: number) => number) => clients[draw(2)] as (typeof clients)[0];
    const any = (draw: (count: number) => number) => ids[draw(ids.length)] as string;
    const sent: { index: number; messageId: string }[] = [];
    const recent = (draw: (count: number) => number) => sent[sent.length - 1 - draw(3)];
    const say = async (draw: (count: number) => number) => {
      const index = draw(2);
      const message = await anyone(() => index).emit('chat:send_message', { chatId: any(draw), content: 'hello' });
      sent.push({ index, messageId: message._id });
    };
    const own = openChat(vera, environment.node(1).url);
    const rest = { url: road.url, token: tokenOf(vera) };
    const readPage = async (before?: string): Promise<Shown[]> => {
      const authorization = `Bearer ${await rest.token()}`;
      const path = `/api/chats?limit=50${before === undefined ? '' : `&before=${before}`}`;
      return (await environment.node(0).call('GET', path, undefined, { authorization })).json.data;
    };
    return {
      view: communityList(openChat(vera, road.url), rest),
      acts: [
        say,
        say,
        say,
        async (draw) => {
          const one = recent(draw);
          if (one === undefined) return;
          const { index, messageId } = one;
          await anyone(() => index).emit('chat:edit_message', { messageId, content: 'edited' });
        },
        async (draw) => {
          const one = recent(draw);
          if (one !== undefined)
            await anyone(() => one.index).emit('chat:delete_message', { messageId: one.messageId });
        },
        async (draw) => {
          const one = recent(draw);
          if (one !== undefined) await anyone(draw).emit('chat:pin_message', { messageId: one.messageId });
        },
        async (draw) => {
          const one = recent(draw);
          if (one !== undefined) await clients[0].emit('chat:add_reaction', { messageId: one.messageId, emoji: '👍' });
        },
        (draw) => clients[1].emit('chat:mark_read', { chatId: any(draw) }),
        (draw) => own.emit('chat:mark_read', { chatId: any(draw) }),
      ],
      async last() {
        const chatId = await addChat(environment, people);
        await allowed(() => clients[0].emit('chat:send_message', { chatId, content: 'last' }));
        return chatId;
      },
      async readAll() {
        const first = await readPage();
        return [...first, ...(first.length < 50 ? [] : await readPage(first.at(-1)?._id))];
      },
    };
  },

  async team(environment: TestEnvironment, people: People, road: Road): Promise<Kind> {
    const [vera, ann, bob] = people;
    const clients = [openTeam(ann, environment.node(0).url), openTeam(bob, environment.node(1).url)] as const;
    const anyone = (draw: (count: number) => number) => clients[draw(2)] as (typeof clients)[0];
    const create = async (client: (typeof clients)[0]): Promise<string> => {
      const users = [vera.id, ann.id, bob.id];
      return (await client.emit('add_conversation', { users, channel_id: 'c' })).conversation._id;
    };
    const ids: string[] = [];
    for (let part = 0; part < CONVERSATIONS; part += 8) {
      ids.push(...(await Promise.all(numbers(8).map((index) => create(anyone(() => index % 2))))));
    }
    const any = (draw: (count: number) => number) => ({ conversation_id: ids[draw(ids.length)] as string });
    const own = openTeam(vera, environment.node(1).url);
    const say = (draw: (count: number) => number) => anyone(draw).emit('message', { ...any(draw), data: 'hello' });
    const later = new Date(Date.now() + 3_600_000).toISOString();
    return {
      view: teamList(openTeam(vera, road.url), 'c'),
      acts: [
        say,
        say,
        say,
        async (draw) => {
          ids.push(await create(anyone(draw)));
        },
        (draw) => anyone(draw).emit('edit_conversation', { ...any(draw), title: `title ${draw(100)}` }),
        (draw) => anyone(draw).emit('open', { ...any(draw), is_open: draw(2) === 0 }),
        (draw) => own.emit('read', any(draw)),
        (draw) => own.emit('archive', { ...any(draw), archive: draw(2) === 0 }),
        (draw) => own.emit('snooze', { ...any(draw), until: draw(2) === 0 ? later : null }),
        (draw) => own.emit('show_on_top', { ...any(draw), show_on_top: draw(2) === 0 }),
      ],
      async last() {
        const id = await create(clients[0]);
        await clients[1].emit('message', { conversation_id: id, data: 'last' });
        return id;
      },
      readAll: () => toAll(teamConversations(own, 'c')),
    };
  },
};

/** Plays a random history, with cuts, on two nodes. Throws when the view does not end as the list of the server. */
export async function playListHistory(
  environment: TestEnvironment,
  name: keyof typeof listKinds,
  { seed, steps }: { seed: number; steps: number },
): Promise<void> {
  const { next: random } = createRandom(seed);
  const draw = (count: number): number => Math.floor(random() * count);
  const road = await openRoad(environment.node(0));
  const { view, acts, last, readAll } = await listKinds[name](
    environment,
    await environment.people('Vera', 'Ann', 'Bob'),
    road,
  );
  await until(() => view.isCurrent);
  expect([view.items.length, view.hasMore]).toEqual([50, true]);
  const play = async (count: number, disturb: () => Promise<void>): Promise<void> => {
    const changes: Promise<unknown>[] = [];
    for (let step = 0; step < count; step += 1) {
      await disturb();
      const change = acts[draw(acts.length)]?.(draw).catch(ignoreRefusal);
      if (change !== undefined) changes.push(change);
      if (random() < 0.6) await change;
    }
    await Promise.all(changes);
  };
  /** Everything that was sent before has come. */
  const catchUp = async (): Promise<void> => {
    const newest = await last();
    await until(() => view.isCurrent && view.items.some(({ _id }) => _id === newest));
  };
  await play(steps, async () => {
    const dice = random();
    if (dice < 0.1) await road.cut();
    else if (dice < 0.3) await road.leadTo(environment.node(draw(2)));
  });
  await road.leadTo(environment.node(seed % 2));
  await catchUp();
  // Without a cut, what came live is read again only where its event does not tell everything.
  await play(steps, async () => undefined);
  await catchUp();

  const stored = await readAll();
  const isEqual = (): boolean => JSON.stringify(view.items) === JSON.stringify(stored.slice(0, view.items.length));
  await until(isEqual);
  expect(view.items).toEqual(stored.slice(0, view.items.length));
  while (view.hasMore) await view.more();
  expect(view.items).toEqual(stored);
}

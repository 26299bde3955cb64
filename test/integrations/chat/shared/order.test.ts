import { afterAll, afterEach, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import type { TestClient } from '../../../support/client.js';
import type { TestEnvironment } from '../../../support/environment.js';
import { dataOf } from '../../../support/environment.js';
import { type ChatKind, chatKinds } from './chats.js';
import { createGate, createTwoClocks, stores } from './two-clocks.js';

let environment: TestEnvironment;

beforeAll(async () => {
  environment = await createTwoClocks();
});
afterAll(() => environment.close());
afterEach(() => {
  for (const proxy of environment.proxies) proxy.rules = {};
});

/** Three people in a chat: two who speak, through the nodes given, and a reader. */
async function openChat(kind: ChatKind, nodes: { a: number; b: number; c: number }) {
  const [ann, bob, cid] = await kind.people(environment, 3);
  if (ann === undefined || bob === undefined || cid === undefined) throw new Error('people are missing');
  const id = await kind.make(environment, [ann, bob, cid]);
  const a = await kind.open(environment, ann, nodes.a);
  const b = await kind.open(environment, bob, nodes.b);
  const c = await kind.open(environment, cid, nodes.c);
  const hear = async (client: TestClient) => kind.toKnown((await client.next(kind.event))[0]);
  /** What the reader gets who asks on another connection what came behind a message. */
  const catchUp = async (after: string | undefined) => {
    const client = await kind.open(environment, cid, nodes.c);
    const page = await kind.catchUp(environment, { person: cid, client, node: nodes.c }, { id, after, limit: 100 });
    client.close();
    return page.map(({ content }) => content);
  };
  return { ann, bob, cid, id, a, b, c, hear, catchUp };
}

describe.each(chatKinds)('the order of messages in the $name chat', (kind) => {
  test.each([
    { where: 'the same node', nodes: { a: 0, b: 0, c: 0 } },
    { where: 'another node', nodes: { a: 0, b: 1, c: 1 } },
  ])('finds a message that is stored late behind what was heard meanwhile through $where', async ({ nodes }) => {
    const { a, b, c, id, hear, catchUp, cid } = await openChat(kind, nodes);
    dataOf(await kind.say(a, id, { content: 'first' }));
    expect((await hear(c)).content).toBe('first');

    const gate = createGate();
    for (const proxy of environment.proxies) {
      proxy.rules = {
        onCommand: (command) => (stores(command, 'late') ? gate.wait().then(() => undefined) : undefined),
      };
    }
    const late = kind.say(a, id, { content: 'late' });
    await gate.arrived;
    dataOf(await kind.say(b, id, { content: 'meanwhile' }));
    const heard = await hear(c);
    expect(heard.content).toBe('meanwhile');
    await kind.markRead(c, id, heard.id);
    c.close();
    gate.open();
    const { _id: lateId } = dataOf(await late);

    expect(await catchUp(heard.id)).toEqual(['late']);
    expect(await catchUp(undefined)).toEqual(['first', 'meanwhile', 'late']);
    expect(await kind.unread(environment, cid, id)).toBe(1);
    expect(await kind.lastMessage(environment, cid, id)).toBe(lateId);
  });

  test('finds messages of a node with a slow clock, and shows them with a later time', async () => {
    const { a, b, c, id, hear, catchUp, cid } = await openChat(kind, { a: 0, b: 1, c: 0 });
    dataOf(await kind.say(a, id, { content: 'on time' }));
    const heard = await hear(c);
    await kind.markRead(c, id, heard.id);
    c.close();
    const { _id: lastId } = dataOf(await kind.say(b, id, { content: 'behind' }));

    expect(await catchUp(heard.id)).toEqual(['behind']);
    // A time is understood as well.
    expect(await catchUp(heard.at)).toEqual(['behind']);
    expect(await kind.unread(environment, cid, id)).toBe(1);
    expect(await kind.lastMessage(environment, cid, id)).toBe(lastId);
  });

  test('sends no message before earlier ones, even if their node learns late that they are stored', async () => {
    const { a, b, c, id, hear, catchUp } = await openChat(kind, { a: 0, b: 1, c: 1 });
    dataOf(await kind.say(b, id, { content: 'first' }));
    await hear(c);
    const gate = createGate();
    const [proxy] = environment.proxies;
    if (proxy === undefined) throw new Error('there is no proxy');
    proxy.rules = {
      async onReply(reply, command) {
        if (stores(command, 'slow reply')) await gate.wait();
        return reply;
      },
    };
    const slow = kind.say(a, id, { content: 'slow reply' });
    await gate.arrived;
    dataOf(await kind.say(b, id, { content: 'next' }));
    const heard = [await hear(c), await hear(c)];
    expect(heard.map(({ content }) => content)).toEqual(['slow reply', 'next']);
    gate.open();
    expect(dataOf(await slow)._id).toBe(heard[0]?.id);
    dataOf(await kind.say(a, id, { content: 'last' }));
    expect((await hear(c)).content).toBe('last');
    expect(await catchUp(heard[1]?.id)).toEqual(['last']);
  });

  /** A message of Ann on the first node is stored, and its node does not learn that until the gate opens. */
  async function sayWithoutReply(client: TestClient, id: string) {
    const gate = createGate();
    onTestFinished(gate.open);
    environment.proxy(0).rules = {
      async onReply(reply, command) {
        if (stores(command, 'no reply')) await gate.wait();
        return reply;
      },
    };
    const said = kind.say(client, id, { content: 'no reply' });
    await gate.arrived;
    return { said, open: gate.open };
  }

  test('a message that is read again does not reach a user with a block with its sender', async () => {
    const { ann, cid, id, a, b, c, hear } = await openChat(kind, { a: 0, b: 1, c: 1 });
    dataOf(await kind.say(b, id, { content: 'first' }));
    for (const client of [b, c]) await hear(client);
    await environment.models.User.updateOne({ _id: cid.id }, { blockedUsers: [ann.id] });
    const { said, open } = await sayWithoutReply(a, id);
    dataOf(await kind.say(b, id, { content: 'next' }));
    expect([(await hear(b)).content, (await hear(b)).content]).toEqual(['no reply', 'next']);
    expect((await hear(c)).content).toBe('next');
    open();
    dataOf(await said);
  });

  test('a message that is read again because of one of another service reaches the participants', async () => {
    const { bob, id, a, b, c, hear } = await openChat(kind, { a: 0, b: 1, c: 1 });
    dataOf(await kind.say(b, id, { content: 'first' }));
    await hear(c);
    const { said, open } = await sayWithoutReply(a, id);
    await kind.storeElsewhere(environment, bob, id);
    const reader = { person: bob, client: b, node: 1 };
    expect(await kind.catchUp(environment, reader, { id, after: undefined, limit: 100 })).toHaveLength(3);
    expect((await hear(c)).content).toBe('no reply');
    open();
    dataOf(await said);
  });
});

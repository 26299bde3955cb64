import { Types } from 'mongoose';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { RecordedCommand, Recorder } from '../../../queries/recorder.js';
import type { TestClient } from '../../../support/client.js';
import type { TestClock } from '../../../support/clock.js';
import { dataOf, type TestEnvironment } from '../../../support/environment.js';
import { createRandom, type Random } from '../../../support/random.js';
import { createRecordedEnvironment } from '../../../support/recorded-environment.js';
import { until } from '../../../support/until.js';
import { addDepartment } from '../support/chat.js';
import { type ChatKind, chatKinds, type Person } from './chats.js';

/*
 * A node stores the messages of conversations and senders that it knows without reading them. Whatever other services change
 * in between, a message is stored, refused and sent as the documents say.
 */

const STEPS = 30;
/** Longer than a conversation is read after a change. */
const PAUSE_MS = 11_000;

let clock: TestClock;
let recorder: Recorder;
let environment: TestEnvironment;

beforeAll(async () => {
  const options = { env: { MESSAGE_LIMIT: '100000' }, proxyOptions: 'directConnection=true' };
  ({ clock, recorder, environment } = await createRecordedEnvironment(options));
});
afterAll(() => environment.close());

const ids = (people: Iterable<string>): Types.ObjectId[] => [...people].map((id) => new Types.ObjectId(id));

/** What other services have stored. */
interface State {
  readonly participants: Set<string>;
  /** By who blocks: whom. */
  readonly blocks: Map<string, string | undefined>;
  readonly names: Map<string, string>;
  readonly accounts: Map<string, string>;
  isClosed: boolean;
}

interface Scene {
  readonly kind: ChatKind;
  readonly id: string;
  readonly people: readonly Person[];
  readonly clients: ReadonlyMap<string, readonly [TestClient, TestClient]>;
  readonly state: State;
}

async function createScene(kind: ChatKind): Promise<Scene> {
  const people = await kind.people(environment, 4);
  const id = await kind.make(environment, people);
  const clients = new Map<string, readonly [TestClient, TestClient]>();
  for (const person of people) {
    clients.set(person.id, [await kind.open(environment, person, 0), await kind.open(environment, person, 1)]);
  }
  const stored = await environment.models.User.find({ _id: { $in: ids(people.map((one) => one.id)) } }).lean();
  const state: State = {
    participants: new Set(people.map((one) => one.id)),
    blocks: new Map(),
    names: new Map(people.map((one) => [one.id, ''])),
    accounts: new Map(stored.map(({ _id, account }) => [String(_id), String(account)])),
    isClosed: false,
  };
  for (const person of people) await rename(state, person.id, `First ${person.name}`);
  return { kind, id, people, clients, state };
}

async function rename(state: State, id: string, firstName: string): Promise<void> {
  state.names.set(id, firstName);
  await environment.models.User.updateOne({ _id: id }, { $set: { firstName }, $unset: { lastName: 1, name: 1 } });
}

/** Both collections are written, of which one has the document. */
async function storeConversation(id: string, fields: object): Promise<void> {
  const { Chat, SupportConversation } = environment.models;
  for (const model of [Chat, SupportConversation]) {
    await model.collection.updateOne({ _id: new Types.ObjectId(id) }, { $set: fields });
  }
}

/** Another service changes something. */
async function change({ kind, id, people, state }: Scene, random: Random): Promise<void> {
  const { User } = environment.models;
  const one = random.pick(people).id;
  const other = random.pick(people).id;
  const what = random.integer(6);
  if (what === 0) {
    if (!state.participants.delete(one)) state.participants.add(one);
    await storeConversation(id, { participants: ids(state.participants) });
  } else if (what <= 2) {
    const blocked = one === other || state.blocks.get(one) !== undefined ? undefined : other;
    state.blocks.set(one, blocked);
    // As an id or as text.
    const blockedUsers = blocked === undefined ? [] : [random.chance(0.5) ? new Types.ObjectId(blocked) : blocked];
    await User.collection.updateOne({ _id: new Types.ObjectId(one) }, { $set: { blockedUsers } } as never);
  } else if (what === 3) {
    await rename(state, one, `Name ${random.integer(1000)}`);
  } else if (kind.name === 'support' && what === 4) {
    const account = random.pick([...state.accounts.values()]);
    state.accounts.set(one, account);
    await User.collection.updateOne(
      { _id: new Types.ObjectId(one) },
      { $set: { account: new Types.ObjectId(account) } },
    );
  } else if (kind.name === 'support') {
    state.isClosed = !state.isClosed;
    await storeConversation(id, { status: state.isClosed ? 'closed' : 'open' });
  }
}

/** Who gets a message of a sender; a code when it is refused. */
function outcomeOf({ kind, people, state }: Scene, sender: string): string | readonly string[] {
  const { participants, blocks, accounts, isClosed } = state;
  if (!participants.has(sender)) return 'NOT_FOUND';
  const isApart = (id: string): boolean => blocks.get(id) === sender || blocks.get(sender) === id;
  const others = [...participants].filter((id) => id !== sender);
  if (kind.name === 'community') return [sender, ...others.filter((id) => !isApart(id))];
  // The first of them made the conversation.
  const account = accounts.get(people[0]?.id ?? '');
  const insiders = others.filter((id) => accounts.get(id) === account);
  if (accounts.get(sender) !== account || (others.length > 0 && insiders.length === 0)) return 'NOT_FOUND';
  if (isClosed) return 'CONFLICT';
  const heard = insiders.filter((id) => !isApart(id));
  if (heard.length === 0 && others.some(isApart)) return 'FORBIDDEN';
  return [sender, ...heard];
}

/** The ids of the messages that a client got. */
const heardBy = ({ kind }: Pick<Scene, 'kind'>, client: TestClient): string[] =>
  client.received(kind.event).map(([payload]) => kind.toKnown(payload).id);

describe.each(chatKinds)('the $name chat', (kind) => {
  test.each([3, 11])('does as the documents say, whatever other services change (seed %i)', async (seed) => {
    const random = createRandom(seed);
    const scene = await createScene(kind);
    const expected = new Map<string, string[]>(scene.people.map((one) => [one.id, []]));
    const accepted: { id: string; name: string }[] = [];
    const before = recorder.commands.length;

    const say = async (number: number): Promise<void> => {
      const sender = random.pick(scene.people).id;
      const client = random.pick(scene.clients.get(sender) ?? []);
      const outcome = outcomeOf(scene, sender);
      const answer = await kind.say(client, scene.id, { content: `message ${number}` });
      if (typeof outcome === 'string') {
        expect(answer, `message ${number}`).toMatchObject({ success: false, code: outcome });
        return;
      }
      const message = dataOf(answer);
      expect(message.senderName, `message ${number}`).toBe(scene.state.names.get(sender));
      accepted.push({ id: message._id, name: message.content });
      for (const id of outcome) expected.get(id)?.push(message._id);
    };

    for (let step = 0; step < STEPS; step += 1) {
      if (random.chance(0.6)) await change(scene, random);
      for (let times = random.integer(3); times >= 0; times -= 1) await say(step * 10 + times);
      if (random.chance(0.7)) clock.advance(PAUSE_MS);
    }
    for (const [id, clients] of scene.clients) {
      for (const client of clients) {
        await until(() => heardBy(scene, client).length >= (expected.get(id)?.length ?? 0));
        expect(heardBy(scene, client)).toEqual(expected.get(id));
      }
    }
    const commands = recorder.commands.slice(before).map(({ name }) => name);
    // Most messages are stored by the one command, and some of these find that something has changed.
    expect(commands.filter((name) => name === 'bulkWrite').length).toBeGreaterThan(3);
    expect(commands).toContain('insert');

    const { Chat, SupportConversation, ChatMessage, SupportMessage } = environment.models;
    const isSupport = kind.name === 'support';
    const stored = isSupport
      ? await SupportMessage.find({ conversationId: scene.id }).sort({ position: 1 }).lean()
      : await ChatMessage.find({ chat: scene.id }).sort({ position: 1 }).lean();
    expect(stored.map(({ _id }) => String(_id))).toEqual(accepted.map(({ id }) => id));
    expect(stored.map(({ position }) => position)).toEqual(accepted.map((_one, index) => index + 1));
    clock.advance(PAUSE_MS);
    const parent = async () => {
      const own = isSupport ? await SupportConversation.findById(scene.id).lean() : null;
      return own ?? (await Chat.findById(scene.id).lean());
    };
    expect(String((await parent())?.lastMessage)).toBe(accepted.at(-1)?.id);
    await until(async () => (await parent())?.lastPosition === accepted.length);
  });

  test('stores a message after one of another node by one command, with a later time', async () => {
    const { id, people, clients } = await createScene(kind);
    const [here] = clients.get(people[0]?.id ?? '') ?? [];
    const [, there] = clients.get(people[1]?.id ?? '') ?? [];
    if (here === undefined || there === undefined) throw new Error('something is missing');
    const both = [here, there];
    const say = async (content: string, speaker: TestClient): Promise<void> => {
      dataOf(await kind.say(speaker, id, { content }));
      // Both nodes have sent it.
      for (const one of both) await until(() => heardBy({ kind }, one).length === Number(content));
    };
    // Each node reads the conversation, and each sender.
    for (const content of ['1', '2', '3', '4']) await say(content, both[Number(content) % 2] ?? here);
    const before = recorder.commands.length;
    for (const content of ['5', '6', '7', '8']) await say(content, both[Number(content) % 2] ?? here);
    // Without what follows a connect: contacts that are read, devices and users that are stored. A message that is checked by reading
    // is an `insert`.
    const isOfChat = ({ name, command }: RecordedCommand): boolean =>
      name === 'bulkWrite' || (name !== 'find' && /^(support|community)\./.test(String(command[name])));
    const commands = recorder.commands.slice(before).flatMap((one) => (isOfChat(one) ? one.name : []));
    expect(commands).toEqual(['bulkWrite', 'bulkWrite', 'bulkWrite', 'bulkWrite']);
    const { ChatMessage, SupportMessage } = environment.models;
    const stored = [
      ...(await ChatMessage.find({ chat: id }).sort({ createdAt: 1 }).lean()),
      ...(await SupportMessage.find({ conversationId: id }).sort({ timestamp: 1 }).lean()),
    ];
    expect(stored.map(({ content, position }) => [content, position])).toEqual(
      Array.from({ length: 8 }, (_, n) => [`${n + 1}`, n + 1]),
    );
    // The clock stands still, so a time that is not after the one before would be equal to it.
    const times = stored.map((one) => ('timestamp' in one ? one.timestamp : one.createdAt).getTime());
    expect(new Set(times).size).toBe(8);
  });

  test('refuses a sender who was locked or deleted since the last message', async () => {
    const { id, people, clients } = await createScene(kind);
    const [ann, bob] = people;
    for (const [person, lock] of [
      [ann, (_id: Types.ObjectId) => environment.models.User.updateOne({ _id }, { $set: { status: 'banned' } })],
      [bob, (_id: Types.ObjectId) => environment.models.User.deleteOne({ _id })],
    ] as const) {
      const client = clients.get(person?.id ?? '')?.[1];
      if (client === undefined) throw new Error('no client');
      for (const content of ['1', '2']) dataOf(await kind.say(client, id, { content }));
      await lock(new Types.ObjectId(person?.id));
      expect(await kind.say(client, id, { content: 'refused' })).toMatchObject({ success: false });
      await client.closed;
    }
    const { ChatMessage, SupportMessage } = environment.models;
    const all = [...(await ChatMessage.find({ chat: id })), ...(await SupportMessage.find({ conversationId: id }))];
    expect(all).toHaveLength(4);
  });

  test('stores and sends a message once when its command or the reply is lost', async () => {
    const { id, people, clients } = await createScene(kind);
    const client = clients.get(people[0]?.id ?? '')?.[0];
    const reader = clients.get(people[1]?.id ?? '')?.[1];
    const [proxy] = environment.proxies;
    if (client === undefined || reader === undefined || proxy === undefined) throw new Error('something is missing');
    const said: string[] = [];
    const say = async (content: string): Promise<void> => {
      said.push(content);
      dataOf(await kind.say(client, id, { content, clientMessageId: content }));
      clock.advance(PAUSE_MS);
    };
    for (const content of ['1', '2']) await say(content);
    const isOf = (command: object, content: string): boolean =>
      'bulkWrite' in command && JSON.stringify(command).includes(`"${content}"`);
    let cuts = 0;
    const cutOnce = (command: object, content: string): boolean => isOf(command, content) && cuts++ === 0;
    proxy.rules = { onCommand: (command) => (cutOnce(command, 'lost') ? 'cut' : undefined) };
    await say('lost');
    expect(cuts).toBe(1);
    await say('between');
    cuts = 0;
    proxy.rules = { onReply: (reply, command) => (cutOnce(command, 'unknown') ? 'cut' : reply) };
    await say('unknown');
    expect(cuts).toBe(1);
    proxy.rules = {};
    await say('last');
    await say('last');
    const { ChatMessage, SupportMessage } = environment.models;
    const all = [...(await ChatMessage.find({ chat: id })), ...(await SupportMessage.find({ conversationId: id }))];
    const stored = all.sort((one, other) => (one.position ?? 0) - (other.position ?? 0));
    const once = [...new Set(said)];
    expect(stored.map(({ content, position }) => [content, position])).toEqual(once.map((one, n) => [one, n + 1]));
    await until(() => heardBy({ kind }, reader).length >= once.length);
    expect(heardBy({ kind }, reader)).toEqual(stored.map(({ _id }) => String(_id)));
  });
});

test('an agent who leaves the department is refused at once, and one who comes is heard', async () => {
  const [ann, agent, next] = await environment.people('Ann', 'Agent', 'Next');
  const departmentId = await addDepartment(environment, agent);
  const [support] = chatKinds;
  const id = await support.make(environment, [ann]);
  await environment.models.SupportConversation.updateOne({ _id: id }, { departmentId });
  const client = await support.open(environment, agent, 1);
  for (const content of ['1', '2', '3']) dataOf(await support.say(client, id, { content }));
  expect(recorder.commands.at(-1)?.name).toBe('bulkWrite');
  await environment.models.Department.updateOne({ _id: departmentId }, { members: [next.id] });
  expect(await support.say(client, id, { content: 'refused' })).toMatchObject({ code: 'NOT_FOUND' });
  const other = await support.open(environment, next, 0);
  for (const content of ['4', '5']) dataOf(await support.say(other, id, { content }));
  expect(await environment.models.SupportMessage.countDocuments({ conversationId: id })).toBe(5);
});

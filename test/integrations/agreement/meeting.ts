import { expect } from 'vitest';
import { dataOf, type TestEnvironment } from '../../support/environment.js';
import { createRandom } from '../../support/random.js';
import { until } from '../../support/until.js';
import { addChat } from '../chat/community/community.js';
import { addDepartment } from '../chat/support/chat.js';
import { type Connection, createDevice } from './device.js';
import { compare } from './history.js';
import type { Chat, Operation, Place, Scene } from './operations.js';
import { createFaults } from './scene.js';

/** Places in which two operations meet. In half of them they are those of two devices of Ann, in the others those of Bob and Cid. */
const PLACES = 4;
/** Operations that one meets at a time. More would exceed the limits of their users. */
const OTHERS_MAX = 4;

/** An operation of a chat, and others that it meets. */
export interface Meeting {
  readonly one: string;
  readonly others: readonly string[];
}

/** Each operation of a chat meets itself, every later one, and what other services do. */
export function meetingsOf({ operations, elsewhere }: Chat): Meeting[] {
  const names = Object.keys(operations);
  return names.flatMap((one, index) => {
    const later = names.slice(index);
    const own = Array.from({ length: Math.ceil(later.length / OTHERS_MAX) }, (_, part) =>
      later.slice(part * OTHERS_MAX, (part + 1) * OTHERS_MAX),
    );
    return [...own, Object.keys(elsewhere)].filter((others) => others.length > 0).map((others) => ({ one, others }));
  });
}

/** People of one account. */
async function createScene(environment: TestEnvironment): Promise<Scene> {
  const [ann, bob, cid, dan, outsider] = await environment.people('Ann', 'Bob', 'Cid', 'Dan', 'Eve');
  const people = [ann, bob, cid, dan] as const;
  const agents = [ann, bob, cid];
  await environment.models.User.updateMany({ _id: { $in: agents.map(({ id }) => id) } }, { role: 'agent' });
  const departments = [await addDepartment(environment, ...agents), await addDepartment(environment, dan)] as const;
  // They know of each other who is online.
  const hall = await addChat(environment, [...people, outsider]);
  return { environment, people, outsider, departments, hall };
}

/** Who acts in a place: devices on two nodes. */
type Pair = readonly [Connection, Connection];

interface MetPlace extends Place {
  readonly other: string;
  readonly isOfOneUser: boolean;
}

/** What both operations in a place were answered. */
type Answers = ReadonlyMap<MetPlace, readonly unknown[]>;

/** Makes the places, by clients that have gone before devices connect: those load once. */
async function makePlaces(scene: Scene, chat: Chat, others: readonly string[]): Promise<MetPlace[]> {
  const { environment } = scene;
  const [anns, bobs] = await Promise.all(
    scene.people.slice(0, 2).map(async (user) => ({
      chat: await environment.open(user, { namespace: '/' }),
      team: await environment.open(user),
    })),
  );
  if (anns === undefined || bobs === undefined) throw new Error('no people');
  const places = others.flatMap((other) => Array.from({ length: PLACES }, (_, index) => ({ other, index })));
  const made: MetPlace[] = [];
  for (const { other, index } of places) {
    const isOfOneUser = index % 2 === 0;
    const [id, messageId] = await chat.make(scene, isOfOneUser ? anns : bobs);
    made.push({ ...scene, id, messageId, text: `${other} ${index}`, other, isOfOneUser });
  }
  for (const client of [anns, bobs].flatMap(Object.values)) client.close();
  return made;
}

/** Connects the people: Ann to both nodes. */
async function connect({ environment, people, outsider }: Scene) {
  const [ann, bob, cid, dan] = people;
  const where = [
    [ann, 0],
    [ann, 1],
    [bob, 1],
    [cid, 0],
    [dan, 1],
    [outsider, 0],
  ] as const;
  const devices = where.map(([user]) => createDevice(environment, user));
  await Promise.all(devices.map((device, index) => device.connect(where[index]?.[1] ?? 0)));
  const [here, there, bobs, cids] = devices.map(({ connection }) => connection);
  return { devices, anns: [here, there] as unknown as Pair, others: [bobs, cids] as unknown as Pair };
}

/** What a client shows, by id: conversations, and their messages. */
function shownBy({ shown: { team, support, community } }: Connection) {
  const states = [team.state, support.state, community.state];
  const conversations = [team.state?.conversations, support.state?.conversations, community.state?.chats].flat();
  return {
    conversations: new Set(conversations.flatMap((one) => one?._id ?? [])),
    messagesOf: (id: string): Message[] => states.flatMap((state): Message[] => state?.messages.get(id) ?? []),
  };
}

interface Message {
  readonly _id: string;
  readonly file?: { readonly fileId: string } | null;
}

/** What an answer says that is stored. */
// biome-ignore lint/suspicious/noExplicitAny: as of operations
const answeredId = (answer: any): string | undefined =>
  answer?.fileId ?? (answer?.message ?? answer?.conversation ?? answer)?._id;

/** What was answered is there, and no other message is. @param answers by place */
function expectAnswered(by: Connection, answers: Answers, about: string): void {
  const { conversations, messagesOf } = shownBy(by);
  for (const [{ id, messageId }, of] of answers) {
    const answered = new Set([messageId, ...of.flatMap((answer) => answeredId(answer) ?? [])]);
    const messages = messagesOf(id);
    const unasked = messages.filter(({ _id, file }) => !answered.has(_id) && !answered.has(file?.fileId ?? ''));
    expect(unasked, `${about}: what nobody was answered`).toEqual([]);
    const shown = new Set([...conversations, ...messages.flatMap(({ _id, file }) => [_id, file?.fileId])]);
    expect(
      [...answered].filter((one) => !shown.has(one)),
      `${about}: answered, and not stored`,
    ).toEqual([]);
  }
}

/**
 * Lets clients load again after another service has changed places. From then on none may hear of a place that it does not show: its
 * user has lost it.
 * @returns what they have heard
 */
async function loadAgain({ hall }: Scene, places: readonly Place[], connections: readonly Connection[]) {
  // What was sent before it has come with it, from each node.
  for (const { chat } of connections.slice(0, 2)) {
    const { _id } = dataOf(await chat.ask('chat:send_message', { chatId: hall, content: 'now' }));
    const hasCome = (one: Connection): boolean =>
      one.chat.received('chat:new_message').some(([{ message }]) => message._id === _id);
    await Promise.all(connections.map((one) => until(() => hasCome(one))));
  }
  const heard: { readonly by: Connection; readonly id: string; readonly event: string }[] = [];
  for (const by of connections) {
    for (const { socket } of [by.chat, by.team]) {
      socket.onAny((event: string, payload: unknown) => {
        const text = JSON.stringify(payload) ?? '';
        for (const { id } of places) if (text.includes(id)) heard.push({ by, id, event });
      });
    }
  }
  await Promise.all(connections.map((one) => one.load()));
  return () =>
    heard
      .filter(({ by, id }) => !shownBy(by).conversations.has(id))
      .map(({ by, event }) => `${event} to ${by.user.name}`);
}

/** Lets operations of a chat meet on two nodes. Then compares what every client shows, what is read and what is stored. */
export async function expectToMeet(
  environment: TestEnvironment,
  chat: Chat,
  { one, others, seed }: Meeting & { readonly seed: number },
): Promise<void> {
  const random = createRandom(seed);
  const scene = await createScene(environment);
  const places = await makePlaces(scene, chat, others);
  const present = await connect(scene);
  const operations: Readonly<Record<string, Operation>> = { ...chat.operations, ...chat.elsewhere };
  const { devices } = present;
  if (chat.before !== undefined) {
    for (const place of places) await chat.before(present.others[0], place);
  }
  for (const proxy of environment.proxies) proxy.rules = createFaults(random, { chance: 0.3, longestMs: 20 });
  const answers = new Map<MetPlace, readonly unknown[]>();
  for (const place of places) {
    const pair = place.isOfOneUser ? present.anns : present.others;
    const [first, second] = random.chance(0.5) ? pair : pair.toReversed();
    const again = { ...place, text: `${place.text} too` };
    const both = [
      operations[one]?.(first as Connection, place),
      operations[place.other]?.(second as Connection, again),
    ];
    answers.set(place, await Promise.all(both));
  }
  for (const proxy of environment.proxies) proxy.rules = {};
  const about = `${one} with ${others.join(', ')}, seed ${seed}`;
  const connections = devices.flatMap(({ connection }) => connection ?? []);
  const isElsewhere = others.some((name) => name in chat.elsewhere);
  const heardOfLost = isElsewhere ? await loadAgain(scene, places, connections) : () => [];
  await compare({ environment, devices, random }, about);
  expect(heardOfLost(), about).toEqual([]);
  if (!isElsewhere) expectAnswered(present.anns[0], answers, about);
  // An operation that is always refused meets nothing.
  const own = [...answers].flatMap(([{ other }, both]) => (other === one ? both : both.slice(0, 1)));
  expect(
    own.some((answer) => answer !== undefined),
    `${about}: is done`,
  ).toBe(true);
  for (const device of devices) device.disconnect();
}

import { mongo, Types } from 'mongoose';
import { dataOf, type TestEnvironment, type TestUser } from '../../support/environment.js';
import { type Document, nameOf, type ProxyRules } from '../../support/mongo-proxy.js';
import type { Random } from '../../support/random.js';
import { addDepartment } from '../chat/support/chat.js';

/** How a database behaves. */
export interface Faults {
  /** How often a command or a reply is late, and by how much at most. */
  readonly chance: number;
  readonly longestMs: number;
  /** How often the reply to a write is lost; then that to its repetition is lost half of the time. */
  readonly lostChance?: number;
}

const WRITES = ['insert', 'update', 'findAndModify', 'bulkWrite', 'commitTransaction'];

export const isWrite = (command: Document): boolean => WRITES.includes(nameOf(command));

/** What the driver repeats under the same number is the same write. */
const toWriteKey = ({ lsid, txnNumber, autocommit }: Document): string | undefined =>
  txnNumber === undefined || autocommit !== undefined ? undefined : `${JSON.stringify(lsid)} ${String(txnNumber)}`;

/**
 * Delays commands and their replies, each by a time of its own: a slow database, in which changes overtake each other. Replies of
 * writes can be lost when they are done.
 */
export const createFaults = (random: Random, { chance, longestMs, lostChance = 0 }: Faults): ProxyRules => {
  const delay = async (): Promise<void> => {
    if (random.chance(chance)) await new Promise((resolve) => setTimeout(resolve, random.integer(longestMs)));
  };
  const repeated = new Set<string>();
  const isLost = (command: Document): boolean => {
    if (lostChance === 0) return false;
    const key = toWriteKey(command);
    if (!isWrite(command) || !random.chance(key !== undefined && repeated.has(key) ? 0.5 : lostChance)) return false;
    if (key !== undefined) repeated.add(key);
    return true;
  };
  return {
    async onCommand() {
      await delay();
      return undefined;
    },
    async onReply(reply, command) {
      await delay();
      return isLost(command) ? 'cut' : reply;
    },
  };
};

/** People of one account, and where they talk. */
export interface Scene {
  readonly people: readonly TestUser[];
  readonly departmentId: string;
  /** Ids of what there is; more come with the history. */
  readonly team: string[];
  readonly support: string[];
  readonly community: string[];
}

const NAMES = ['Ann', 'Bob', 'Cid', 'Dan', 'Eve', 'Fay', 'Gus', 'Hal', 'Ida', 'Jon', 'Kim', 'Lou'] as const;

/** Stores people, conversations and chats, some of them as other services do. */
export async function createScene(environment: TestEnvironment): Promise<Scene> {
  const { models } = environment;
  const people = await environment.people(...NAMES);
  const [ann, bob] = people;
  await models.User.updateMany({ _id: { $in: [ann.id, bob.id] } }, { role: 'agent' });
  const departmentId = await addDepartment(environment, ann, bob);
  return { people, departmentId, ...(await addPlaces(environment, people, departmentId)) };
}

const idOf = ({ id }: TestUser): string => id;
const toId = (id: string): Types.ObjectId => new Types.ObjectId(id);

async function addPlaces(environment: TestEnvironment, people: readonly TestUser[], departmentId: string) {
  const { models } = environment;
  const some = people.slice(0, 5);
  const support = [new Types.ObjectId(), new Types.ObjectId()];
  const at = new Date('2024-01-01T00:00:00Z');
  await models.SupportConversation.collection.insertMany([
    {
      _id: support[0],
      participants: some.map(idOf).map(toId),
      createdBy: toId(some[0]?.id ?? ''),
      departmentId: toId(departmentId),
      status: 'open',
      updatedAt: at,
      createdAt: at,
    },
    // With ids and a time as text, and without the rest.
    {
      _id: support[1],
      participants: people.slice(3, 6).map(idOf).map(toId),
      createdBy: people[3]?.id,
      departmentId,
      updatedAt: at.toISOString(),
    },
  ] as never);
  const community = [new Types.ObjectId(), new Types.ObjectId(), new Types.ObjectId()];
  const old = new Types.ObjectId();
  await models.ChatMessage.collection.insertOne({
    _id: old,
    chat: community[0],
    sender: some[0]?.id,
    content: 'old',
    createdAt: at.getTime(),
    readBy: null,
  } as never);
  await models.Chat.collection.insertMany([
    {
      _id: community[0],
      participants: people.map(idOf).map(toId),
      type: 'group',
      groupName: 'All',
      lastMessage: old,
      pinnedMessages: null,
      lastActivity: at,
    },
    { _id: community[1], participants: some.slice(0, 2).map(idOf).map(toId), type: 'direct', lastActivity: at },
    {
      _id: community[2],
      participants: some.slice(1).map(idOf).map(toId),
      type: 'group',
      lastActivity: at.toISOString(),
      participantSettings: 'none',
    },
  ] as never);
  return { team: await addTeam(environment, people), support: support.map(String), community: community.map(String) };
}

async function addTeam(environment: TestEnvironment, people: readonly TestUser[]): Promise<string[]> {
  const { models } = environment;
  const [first] = people;
  if (first === undefined) throw new Error('no people');
  const client = await environment.open(first);
  const ids: string[] = [];
  // More people than are told without a look at who is connected.
  for (const users of [people, people.slice(0, 3), people.slice(0, 2)]) {
    const data = { users: users.map(idOf), channel_id: `channel ${ids.length % 2}` };
    ids.push(dataOf(await client.ask('add_conversation', data)).conversation._id);
  }
  client.close();
  // As a service in another language stores them.
  await models.Member.collection.updateMany(
    { conversation: toId(ids[1] ?? '') },
    { $set: { unread_count: mongo.Long.fromNumber(0) as never, snoozed_until: null }, $unset: { mentioned: 1 } },
  );
  await models.Conversation.collection.updateOne(
    { _id: toId(ids[2] ?? '') },
    { $set: { users: people.slice(0, 2).map(idOf) as never, image: null as never } },
  );
  return ids;
}

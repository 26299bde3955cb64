import { Types } from 'mongoose';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { createTestEnvironment, dataOf, type TestEnvironment } from '../../support/environment.js';
import { type Document, nameOf } from '../../support/mongo-proxy.js';
import { storedMember } from './stored.js';

/* Conversations leave the list while it is searched. */

let environment: TestEnvironment;

beforeAll(async () => {
  environment = await createTestEnvironment({ proxyOptions: 'directConnection=true' });
});
afterAll(() => environment.close());
afterEach(() => {
  environment.proxy().rules = {};
});

/** Conversations of Ann, the newest first. @returns searches them, and archives one */
async function createList(titles: readonly string[]) {
  const { Conversation, Member } = environment.models;
  const [ann] = await environment.people('Ann');
  const [account, user] = [new Types.ObjectId(ann.accountId), new Types.ObjectId(ann.id)];
  const conversations = titles.map((title, n) => ({
    _id: new Types.ObjectId(),
    account,
    users: [user],
    title,
    channel_id: 'x',
    is_open: true,
    created_by: user,
    last_activity_at: new Date(1_700_000_000_000 - n),
  }));
  await Conversation.collection.insertMany(conversations as never[]);
  const members = conversations.map((made) => ({ ...storedMember(made, user), search_key: made.title }));
  await Member.collection.insertMany(members as never[]);
  const client = await environment.open(ann);
  return {
    async search(text: string, limit: number) {
      const { conversation, paging } = dataOf(await client.ask('list_conversation', { search: text, limit }));
      const found: string[] = conversation.map(({ title }: { title: string }) => title);
      return { found, hasNext: paging.has_next as boolean };
    },
    archive: (n: number) =>
      Member.updateOne({ conversation: conversations[n]?._id as Types.ObjectId }, { archived: true }),
  };
}

/** Does something before the nth of some commands. */
function before(n: number, isMeant: (command: Document) => boolean, task: () => Promise<unknown>): void {
  let count = 0;
  environment.proxy().rules.onCommand = async (command) => {
    if (isMeant(command)) {
      count += 1;
      if (count === n) await task();
    }
    return undefined;
  };
}

test('a conversation that leaves the list after it was found is replaced by the next one', async () => {
  const list = await createList(['found 0', 'found 1', 'found 2', 'found 3', 'found 4']);
  const members = environment.models.Member.collection.collectionName;
  const isRead = (command: Document): boolean => command['find'] === members && JSON.stringify(command).includes('$in');
  before(1, isRead, () => list.archive(1));
  expect(await list.search('found', 2)).toEqual({ found: ['found 0', 'found 2'], hasNext: true });
});

test('a conversation is found although one before it leaves the list between two steps', async () => {
  const list = await createList([...Array.from({ length: 128 }, (_, n) => `other ${n}`), 'found', 'another']);
  const isStep = (command: Document): boolean =>
    nameOf(command) === 'aggregate' && JSON.stringify(command).includes('search_key');
  before(2, isStep, () => list.archive(5));
  expect((await list.search('found', 10)).found).toEqual(['found']);
});

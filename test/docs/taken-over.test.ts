import { mongo } from 'mongoose';
import { expect, onTestFinished, test } from 'vitest';
import { startDatabase } from '../support/database.js';
import { API_KEY, signToken, startGateway } from '../support/gateway.js';
import { readPages } from './pages.js';

const page = (await readPages()).find(({ path }) => path === 'scripts/db/README.md');

test('the renamed collections of the original chats are read as they are', async () => {
  const target = await startDatabase();
  const client = await new mongo.MongoClient(target.url).connect();
  onTestFinished(async () => {
    await client.close();
    await target.stop();
  });
  const here = client.db();
  const [ann, bob] = [new mongo.ObjectId(), new mongo.ObjectId()];
  const chat = new mongo.ObjectId();
  const conversation = new mongo.ObjectId();
  const community = client.db(`${here.databaseName}-c`);
  const support = client.db(`${here.databaseName}-s`);
  await community.collection('users').insertMany([
    { _id: ann, firstName: 'Ann', lastName: 'Ames', email: 'ann@example.com', password: 'hash' },
    { _id: bob, firstName: 'Bob', lastName: 'Byrd', email: 'bob@example.com', password: 'hash' },
  ]);
  const at = (second: number): Date => new Date(Date.UTC(2020, 1, 1, 0, 0, second));
  await community.collection('chats').insertOne({
    _id: chat,
    participants: [ann, bob],
    type: 'direct',
    lastMessage: null,
    lastActivity: at(3),
  });
  await community
    .collection('messages')
    .insertMany(
      [1, 2, 3].map((n) => ({ chat, sender: n === 2 ? bob : ann, content: `text ${n}`, createdAt: at(n), __v: 0 })),
    );
  await community.collection('notifications').insertOne({ recipient: ann, type: 'message', title: 't', message: 'm' });
  await support.collection('conversations').insertOne({
    _id: conversation,
    participants: [String(ann), bob],
    lastMessage: new mongo.ObjectId(),
    updatedAt: at(5),
  });
  await support.collection('departments').insertOne({ name: 'Sales', members: [bob] });
  // As the original stores them, and with ids and times as text.
  await support.collection('messages').insertMany(
    [1, 2, 3].map((n) => ({
      conversationId: n === 1 ? conversation : String(conversation),
      senderId: n === 1 ? String(ann) : bob,
      content: `question ${n}`,
      type: 'text',
      timestamp: n === 3 ? at(n).toISOString() : at(n),
    })),
  );

  const rows = page?.rows('original') ?? [];
  const renamed = rows.filter(([original, from]) => original?.includes('chat') && from !== undefined);
  expect(renamed).toHaveLength(7);
  for (const [original = '', from = '', to = ''] of renamed) {
    const sources = original === 'both chats' ? [community] : [original === 'support chat' ? support : community];
    for (const source of sources) {
      await client.db('admin').command({
        renameCollection: `${source.databaseName}.${from}`,
        to: `${here.databaseName}.${to}`,
        dropTarget: true,
      });
    }
  }
  await Promise.all([community.dropDatabase(), support.dropDatabase()]);

  const gateway = await startGateway({ MONGODB_URL: target.url });
  onTestFinished(() => gateway.close());
  const read = async (path: string) => {
    const headers = {
      authorization: `Bearer ${signToken({ uid: undefined, userId: String(ann) })}`,
      'x-api-key': API_KEY,
    };
    const { status, json } = await gateway.call('GET', path, undefined, headers);
    expect([path, status, json.success]).toEqual([path, 200, true]);
    return json.data;
  };
  const contents = (messages: readonly { content: string }[]): string[] => messages.map(({ content }) => content);
  expect(contents(await read(`/api/chats/${chat}/messages`))).toEqual(['text 1', 'text 2', 'text 3']);
  expect(JSON.stringify(await read('/api/chats'))).toContain(String(chat));
  expect(contents((await read(`/api/v1/conversations/${conversation}/messages`)).messages)).toEqual([
    'question 3',
    'question 1',
    'question 2',
  ]);
  expect(JSON.stringify(await read('/api/v1/conversations'))).toContain(String(conversation));
});

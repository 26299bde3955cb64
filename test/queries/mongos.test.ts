import { mongo, Types } from 'mongoose';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { platformCollections } from '#shared/models/ownership.js';
import { shardKeys } from '#shared/models/sharding.js';
import { planShards } from '../../src/platform/mongo/indexes/shards.js';
import { connect } from '../support/client.js';
import { createTestEnvironment, dataOf, type TestEnvironment } from '../support/environment.js';
import { signToken } from '../support/gateway.js';
import type { MongoProxy } from '../support/mongo-proxy.js';
import { runScript } from '../support/script.js';
import { startMongos } from './mongos.js';

/*
 * Two nodes behind a stand-in for mongos. The walk of `queries.test.ts` calls every event and route behind one; here are the paths
 * that only conflicts and documents of other services take.
 */

let environment: TestEnvironment;
let mongos: MongoProxy;
let client: mongo.MongoClient;

beforeAll(async () => {
  environment = await createTestEnvironment({ nodes: 0, hasRedis: true });
  mongos = await startMongos(environment.database.url);
  environment.defer(() => mongos.close());
  client = await new mongo.MongoClient(mongos.url()).connect();
  environment.defer(() => client.close());
});
afterAll(() => environment.close());

const id = (): Types.ObjectId => new Types.ObjectId();

/** What a cluster with the declared shard keys refuses, by MongoDB's documentation. */
test.each<[what: string, code: number | undefined, run: (db: mongo.Db) => Promise<unknown>]>([
  [
    'findAndModify without the shard key',
    61,
    (db) => db.collection('community.messages').findOneAndUpdate({ _id: id() }, { $set: { a: 1 } }),
  ],
  [
    'findAndModify with two values of it',
    61,
    (db) =>
      db
        .collection('community.messages')
        .findOneAndUpdate({ _id: id(), chat: { $in: [id(), 'x'] } }, { $set: { a: 1 } }),
  ],
  [
    'findAndModify with it',
    undefined,
    (db) => db.collection('community.messages').findOneAndUpdate({ _id: id(), chat: id() }, { $set: { a: 1 } }),
  ],
  [
    'an upsert without it',
    61,
    (db) => db.collection('sockets').updateOne({ a: 1 }, { $set: { b: 1 } }, { upsert: true }),
  ],
  [
    'an update of one without it',
    72,
    (db) => db.collection('delivery.log').updateOne({ position: 1 }, { $set: { a: 1 } }),
  ],
  [
    'an update of one by _id',
    undefined,
    (db) => db.collection('delivery.log').updateOne({ _id: id() }, { $set: { a: 1 } }),
  ],
  [
    'an update of many without it',
    undefined,
    (db) => db.collection('delivery.log').updateMany({ position: 1 }, { $set: { a: 1 } }),
  ],
  ['a delete of one without it', 72, (db) => db.collection('delivery.log').deleteOne({ position: 1 })],
  [
    'a change of it in many documents',
    66,
    (db) => db.collection('delivery.log').updateMany({ recipient: 'a' }, { $set: { recipient: 'b' } }),
  ],
  [
    'a change of it by a retried write that names it',
    undefined,
    (db) => db.collection('delivery.log').updateOne({ recipient: 'a' }, { $set: { recipient: 'b' } }),
  ],
  [
    'a replacement that removes it',
    66,
    (db) => db.collection('delivery.log').replaceOne({ _id: id() }, { position: 1 }),
  ],
  [
    'a unique index without it',
    67,
    (db) => db.collection('delivery.log').createIndex({ position: 1 }, { unique: true }),
  ],
  ['an array in its place', 61, (db) => db.collection('delivery.log').insertOne({ recipient: [] })],
  [
    '$merge by _id alone',
    51_183,
    (db) =>
      db
        .collection('community.messages')
        .aggregate([{ $match: { chat: id() } }, { $merge: { into: 'community.messages', on: '_id' } }])
        .toArray(),
  ],
])('the stand-in decides %s as a cluster does', async (_what, code, run) => {
  const failure = await run(client.db()).then(
    () => undefined,
    (error: mongo.MongoServerError) => error.code,
  );
  expect(failure).toBe(code);
});

test('two nodes append to one chat at once, and messages of other services get positions', async () => {
  const nodes = await Promise.all([1, 2].map(() => environment.startNode({ MONGODB_URL: mongos.url() })));
  const [ann] = await environment.people('Ann');
  const chat = id();
  const participants = [new Types.ObjectId(ann.id)];
  await environment.models.Chat.create({ _id: chat, participants, type: 'group' });
  const claims = { uid: ann.id, account_id: ann.accountId };
  const clients = await Promise.all(nodes.map((node) => connect(node, { namespace: '/', claims })));
  environment.defer(() => clients.map((one) => one.close()));
  const chatId = chat.toHexString();
  const send = (n: number) => clients[n % 2]?.ask('chat:send_message', { chatId, content: `m${n}` });
  for (const answer of await Promise.all(Array.from({ length: 12 }, (_, n) => send(n)))) dataOf(answer);
  // As another service stores it: with the id of the chat as text.
  await environment.models.ChatMessage.collection.insertOne({
    _id: id(),
    chat: chatId,
    sender: ann.id,
    content: 'foreign',
    createdAt: new Date(),
  } as never);
  const authorization = `Bearer ${signToken({ uid: ann.id, account_id: ann.accountId })}`;
  const read = await nodes[0]?.call('GET', `/api/chats/${chatId}/messages`, undefined, {
    'x-api-key': '',
    authorization,
  });
  expect(read?.status).toBe(200);
  const stored = await environment.models.ChatMessage.collection.find({ chat }).sort({ position: 1 }).toArray();
  expect(stored.map(({ position }) => position)).toEqual(Array.from({ length: 13 }, (_, n) => n + 1));
});

test('npm run indexes -- --shard prints the declared keys, and applies them to the own collections on a mongos', async () => {
  const shard = (url: string, ...args: string[]) =>
    runScript('scripts/indexes.ts', ['--shard', ...args], { MONGODB_URL: url, NODE_ENV: 'test' });
  const sharded = (): string[] =>
    mongos.commands.flatMap(({ shardCollection, key }) =>
      shardCollection === undefined ? [] : `${shardCollection} ${Object.entries(key as object).join()}`,
    );
  const printed = await shard(mongos.url());
  expect(printed).toMatchObject({ code: 0, stderr: '' });
  const name = new URL(mongos.url()).pathname.slice(1);
  for (const [collection, { field, ...key }] of Object.entries(shardKeys)) {
    const pattern = 'kind' in key && key.kind === 'hashed' ? `{ ${field}: "hashed" }` : `{ ${field}: 1 }`;
    const line = `sh.shardCollection("${name}.${collection}", ${pattern})`;
    expect([line, printed.stdout.includes(line)]).toEqual([line, field !== undefined]);
  }
  expect(sharded()).toEqual([]);
  expect(await shard(mongos.url(), '--apply')).toMatchObject({ code: 0, stderr: '' });
  expect(sharded()).toContain(`${name}.delivery.log recipient,1`);
  expect(sharded()).toContain(`${name}.delivery.mailboxes _id,hashed`);
  const own = Object.entries(shardKeys).filter(
    ([collection, { field }]) => field && !platformCollections.has(collection),
  );
  expect(sharded()).toHaveLength(own.length);
  expect(await shard(environment.database.url, '--apply')).toMatchObject({
    code: 1,
    stdout: 'MONGODB_URL does not lead to a mongos: nothing was sharded.\n',
  });
});

test('names the unique indexes that keep a collection from being sharded', async () => {
  const { collection } = environment.models.DeliveryEntry;
  await collection.createIndex({ position: 1 }, { unique: true, name: 'old', partialFilterExpression: { x: 1 } });
  const obstacles = (await planShards(environment.connection)).flatMap((step) => step.obstacles);
  expect(obstacles).toEqual(['db.getCollection("delivery.log").dropIndex("old")']);
});

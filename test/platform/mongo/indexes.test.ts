import { mongo } from 'mongoose';
import { pino } from 'pino';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { platformCollections } from '#shared/models/ownership.js';
import { createIndexWatch } from '../../../src/platform/mongo/indexes/watch.js';
import { createTestClock } from '../../support/clock.js';
import { type EmbeddedTestDatabase, startEmbeddedDatabase } from '../../support/database.js';
import { startGateway, type TestGateway } from '../../support/gateway.js';
import { type MongoProxy, nameOf, startMongoProxy } from '../../support/mongo-proxy.js';
import { runScript } from '../../support/script.js';
import { until } from '../../support/until.js';

let database: EmbeddedTestDatabase;
let proxy: MongoProxy;
let db: mongo.Db;
let client: mongo.MongoClient;
const records: { msg: string; level: number; indexes?: { sentence: string; command: string }[] }[] = [];

beforeAll(async () => {
  database = await startEmbeddedDatabase();
  proxy = await startMongoProxy(database.url);
  client = await new mongo.MongoClient(database.url).connect();
  db = client.db('general-socket');
});
beforeEach(async () => {
  await db.dropDatabase();
  proxy.rules = {};
  records.length = 0;
});
afterAll(async () => {
  await client.close();
  await proxy.close();
  await database.stop();
});

const logger = pino({ level: 'info' }, { write: (line: string) => void records.push(JSON.parse(line)) });

/** Starts a gateway, does something while it serves, and stops it. */
async function whileServing(work: (gateway: TestGateway) => Promise<void> = async () => {}): Promise<void> {
  const gateway = await startGateway({ MONGODB_URL: proxy.url('directConnection=true') }, { logger });
  await work(gateway).finally(() => gateway.close());
}

/** What the start says about indexes, in one message for each owner. */
const complaints = (owner: 'gateway' | 'platform') => {
  const found = records.filter(
    ({ msg, indexes }) => indexes !== undefined && msg.includes(owner) && msg.startsWith('database: '),
  );
  expect(found.length).toBeLessThan(2);
  return found.flatMap(({ indexes = [] }) => indexes);
};

const indexesOf = async (collection: string): Promise<mongo.IndexDescriptionInfo[]> =>
  db
    .collection(collection)
    .indexes()
    .catch(() => []);
const namesOf = async (collection: string): Promise<string[]> =>
  (await indexesOf(collection)).map(({ name }) => name ?? '').filter((name) => name !== '_id_');

/** Does what a command says, as mongosh would. */
async function run(command: string): Promise<void> {
  const shell = { getCollection: (name: string) => db.collection(name) };
  for (const statement of command.split(/;|\/\/.*: /).map((part) => part.trim())) {
    if (statement === '') continue;
    await new Function('db', 'ObjectId', `return ${statement}`)(shell, (id: string) => new mongo.ObjectId(id));
  }
}

test('creates the indexes of its own collections, and names those of the platform in one message', async () => {
  await whileServing();
  for (const collection of platformCollections) expect(await namesOf(collection), collection).toEqual([]);
  expect(await namesOf('conversation.members')).toContain('conversation_1_user_1');
  expect(await namesOf('delivery.keys')).toEqual(['purgeAt_1']);
  const missing = complaints('platform');
  expect(missing.map(({ sentence }) => sentence)).toContainEqual(
    '_users: the index "account_1" { account: 1 } is missing; without it queries read the whole collection',
  );
  expect(missing.map(({ sentence }) => sentence)).toContainEqual(
    'conversations: the index "users_1" { users: 1 } is missing; ' +
      'without it a search for participants looks through the list of conversations',
  );
  expect(missing.map(({ sentence }) => sentence)).toContainEqual(
    expect.stringMatching(/^communications: .*; without it the same thing can be stored twice$/),
  );
  expect(complaints('gateway')).toEqual([]);

  for (const { command } of missing) await run(command);
  records.length = 0;
  await whileServing();
  expect(complaints('platform')).toEqual([]);
});

test('accepts indexes of the platform that serve its queries', async () => {
  await whileServing();
  const before = complaints('platform').map(({ sentence }) => sentence.split(' {')[0]);
  records.length = 0;
  await db.collection('_users').createIndex({ account: 1 }, { sparse: true });
  await db.collection('crm.contacts').createIndex({ account: 1, name: 1 }, { name: 'by account' });
  await db.collection('fcm.tokens').createIndex({ user_id: 1 }, { unique: true, name: 'one for each user' });
  await whileServing();
  const after = complaints('platform').map(({ sentence }) => sentence.split(' {')[0]);
  const served = [
    '_users: the index "account_1"',
    'crm.contacts: the index "account_1"',
    'fcm.tokens: the index "user_id_1"',
  ];
  expect(before).toEqual(expect.arrayContaining(served));
  expect(after).toEqual(before.filter((index) => !served.includes(index ?? '')));
});

test('tells indexes apart by the collation', async () => {
  await db.collection('_users').createIndex({ name: 1 }, { sparse: true });
  await whileServing();
  const [missing] = complaints('platform').filter(({ sentence }) => sentence.includes('search_name'));
  expect(missing?.sentence).toBe(
    '_users: the index "search_name" { name: 1 } is missing; without it users are not found by name',
  );
  await run(missing?.command ?? '');
  records.length = 0;
  await whileServing();
  expect(complaints('platform').filter(({ sentence }) => sentence.includes('search_name'))).toEqual([]);
});

test('names a conflicting index of the platform with the remedy, and serves', async () => {
  await db.collection('_users').createIndex({ account: -1 }, { name: 'account_1', partialFilterExpression: { a: 1 } });
  await whileServing(async (gateway) => {
    expect((await gateway.call('GET', '/health/ready')).status).toBe(200);
  });
  const [conflict] = complaints('platform').filter(({ sentence }) => sentence.includes('conflicts with it'));
  expect(conflict?.sentence).toBe(
    '_users: the index "account_1" { account: 1 } cannot be created, because the index "account_1" { account: -1 } ' +
      '{ partialFilterExpression: { a: 1 } } conflicts with it; without it queries read the whole collection',
  );
  await run(conflict?.command ?? '');
  expect(await indexesOf('_users')).toContainEqual(expect.objectContaining({ name: 'account_1', key: { account: 1 } }));
});

test('continues without an own index that conflicts with another one, and logs it', async () => {
  await db.collection('delivery.keys').createIndex({ purgeAt: 1 });
  await whileServing();
  const [conflict, ...others] = complaints('gateway');
  expect(others).toEqual([]);
  expect(conflict?.sentence).toMatch(/^delivery\.keys: the index "purgeAt_1" .* conflicts with it/);
  await run(conflict?.command ?? '');
  expect(await indexesOf('delivery.keys')).toContainEqual(expect.objectContaining({ expireAfterSeconds: 0 }));
});

test('does not start when documents violate an own unique index, and names two of them without user data', async () => {
  const [conversation, user] = [new mongo.ObjectId(), new mongo.ObjectId()];
  const members = db.collection('conversation.members');
  const { insertedIds } = await members.insertMany([0, 1].map(() => ({ conversation, user })));
  const secret = db.collection('sockets');
  await secret.insertMany([0, 1].map(() => ({ user: 'ann@example.com' })));
  const failure = await whileServing().then(
    () => expect.fail('it started'),
    (error: Error) => error.message,
  );
  const lines = failure.split('\n');
  expect(lines).toHaveLength(2);
  const line = lines.find((text) => text.startsWith('conversation.members'));
  expect(line).toContain(
    'the index "conversation_1_user_1" { conversation: 1, user: 1 } cannot be created, because several documents have the ' +
      `same key, for example { conversation: ObjectId("${conversation}"), user: ObjectId("${user}") }`,
  );
  for (const id of Object.values(insertedIds)) expect(line).toContain(String(id));
  expect(failure).not.toContain('example.com');
  expect(failure).not.toMatch(/\n\s+at /);

  await members.deleteOne({ conversation });
  await secret.deleteOne();
  await whileServing();
});

test('does not start when an index used in hints has another name', async () => {
  await whileServing();
  const { key, partialFilterExpression = {} } =
    (await indexesOf('conversation.members')).find(({ name }) => name === 'open') ?? expect.fail('there is none');
  const members = db.collection('conversation.members');
  await members.dropIndex('open');
  await members.createIndex(key, { name: 'mine', partialFilterExpression });
  const failure = await whileServing().then(
    () => expect.fail('it started'),
    (error: Error) => error.message,
  );
  expect(failure).toMatch(
    /^conversation\.members: the index "open" .*"mine".* conflicts with it; without it the lists of conversations fail/,
  );
});

test('serves while the indexes of large collections are being built', async () => {
  await db.collection('conversation.messages').insertOne({ data: 'hello' });
  let release = (): void => {};
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  const isLarge = ({ createIndexes, indexes }: Record<string, unknown>): boolean =>
    createIndexes === 'conversation.messages' && (indexes as { unique?: boolean }[])[0]?.unique !== true;
  proxy.rules.onReply = async (reply, command) => {
    if (nameOf(command) === 'createIndexes' && isLarge(command)) await held;
    return reply;
  };
  await whileServing(async (gateway) => {
    expect((await gateway.call('GET', '/health/ready')).status).toBe(200);
    // Correct before it is quick.
    expect(await namesOf('conversation.messages')).toContain('conversation_id_1_sent_by_1_UUID_1');
    release();
    await until(() => records.some(({ msg }) => msg === 'database: indexes built'));
  });
  expect(await namesOf('conversation.messages')).toContain('conversation_id_1_createdAt_-1__id_-1');
});

test('creates indexes again that another service has dropped, and says which one it cannot create', async () => {
  const clock = createTestClock();
  const log = db.collection('delivery.log');
  const hasUnique = async () => (await indexesOf('delivery.log')).some(({ unique }) => unique === true);
  const gateway = await startGateway({ MONGODB_URL: proxy.url('directConnection=true') }, { logger, clock });
  try {
    const before = await namesOf('delivery.log');
    await log.dropIndexes();
    await clock.advanceUntil(1000, hasUnique);
    await until(async () => (await namesOf('delivery.log')).length === before.length);
    expect(new Set(await namesOf('delivery.log'))).toEqual(new Set(before));
    expect(records.filter(({ msg }) => msg.includes('are gone'))).toHaveLength(1);

    await log.dropIndexes();
    const entry = { recipient: '["","twice"]', position: 1 };
    await log.insertMany([entry, { ...entry, _id: 'second' } as never]);
    const isReported = () => records.some(({ msg }) => msg.endsWith('cannot be created; messages may be lost'));
    await clock.advanceUntil(1000, isReported);
    expect(await hasUnique()).toBe(false);
    // Tried again, and not logged again.
    records.length = 0;
    const looks = () => proxy.commands.filter((command) => nameOf(command) === 'dbStats').length;
    const enough = looks() + 3;
    await clock.advanceUntil(1000, () => looks() >= enough);
    expect(records).toEqual([]);
    await log.deleteOne({ _id: 'second' as never });
    await clock.advanceUntil(1000, hasUnique);
  } finally {
    await gateway.close();
  }
});

test('creates dropped indexes again on a database that does not let the gateway count them', async () => {
  proxy.rules.onCommand = (command) =>
    nameOf(command) === 'dbStats' ? { ok: 0, code: 13, codeName: 'Unauthorized', errmsg: 'not authorized' } : undefined;
  const clock = createTestClock();
  const gateway = await startGateway({ MONGODB_URL: proxy.url('directConnection=true') }, { logger, clock });
  try {
    await db.collection('delivery.log').dropIndexes();
    const hasUnique = async () => (await indexesOf('delivery.log')).some(({ unique }) => unique === true);
    await clock.advanceUntil(1000, hasUnique);
  } finally {
    await gateway.close();
  }
});

test('does not watch indexes after the gateway was closed while they were built', () => {
  let timers = 0;
  const every = () => {
    timers += 1;
    return () => undefined;
  };
  const clock = { ...createTestClock(), every };
  const watch = createIndexWatch({} as never, { models: {}, ownsAll: true, logger, clock });
  watch.stop();
  watch.start();
  expect(timers).toBe(0);
});

test('npm run indexes checks and creates them', async () => {
  const script = (...args: string[]) =>
    runScript('scripts/indexes.ts', args, { MONGODB_URL: database.url, NODE_ENV: 'test' });
  await db.collection('delivery.keys').createIndex({ purgeAt: 1 });
  const check = await script('--check');
  expect(check.code).toBe(1);
  expect(check.stdout).toContain('(platform) _users: the index "account_1" { account: 1 } is missing');
  expect(await namesOf('_users')).toEqual([]);
  const apply = await script('--apply');
  expect(apply.code).toBe(1);
  expect(apply.stdout).toMatch(
    /^Created \d+ indexes\.\ndelivery\.keys: .* conflicts with it.*\n {2}db\.getCollection.*\n$/,
  );
  expect(await namesOf('_users')).toContain('account_1');
  await run(apply.stdout.split('\n')[2] ?? '');
  expect(await script('--check')).toMatchObject({ code: 0, stdout: 'All indexes exist.\n' });
  expect((await script()).code).toBe(2);
});

test('creates every index of the embedded database', async () => {
  const gateway = await startGateway({ MONGODB_URL: '' }, { logger });
  await gateway.close();
  expect(complaints('platform')).toEqual([]);
});
